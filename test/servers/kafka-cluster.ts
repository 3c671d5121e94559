import { startKafkas } from './kafka-server.ts'
import type { KafkaServer, KafkaServerOptions } from './kafka-server.ts'

/** Three real brokers, each a controller too; they are stopped when the test file is over. */
export interface KafkaCluster {
  readonly servers: readonly KafkaServer[]
  /** `host:port,host:port,host:port` */
  readonly addresses: string
  /** By the number that Kafka's metadata gives. */
  server(id: number): KafkaServer
}

/** @throws Error when there is no Kafka, or a broker does not start within a minute */
export async function startKafkaCluster(options: KafkaServerOptions = {}): Promise<KafkaCluster> {
  const servers = await startKafkas(3, options)
  return {
    servers,
    addresses: servers.map(({ address }) => address).join(','),
    server: (id) => {
      const found = servers.find((server) => server.id === id)
      if (found === undefined) throw new Error(`no broker ${id}`)
      return found
    },
  }
}
