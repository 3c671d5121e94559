import { freePort } from '../support/free-port.ts'
import { otherProgram } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import { openLink } from '../support/link.ts'
import type { Link } from '../support/link.ts'
import { startKafka } from './kafka-server.ts'
import type { KafkaServer } from './kafka-server.ts'

/** A broker, a link to it that can be broken, and another program that goes past the link. */
export interface LinkedKafka {
  readonly server: KafkaServer
  readonly link: Link
  readonly other: OtherProgram
}

/** Brokers tell clients where they are: this one tells who comes by the link to come by it again. */
export async function startLinkedKafka(): Promise<LinkedKafka> {
  const port = await freePort()
  const link = await openLink({ port })
  const server = await startKafka({
    listeners: [{ name: 'LINK', protocol: 'PLAINTEXT', port, advertisedPort: link.port }],
  })
  return { server, link, other: await otherProgram(server.address) }
}
