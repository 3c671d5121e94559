import { randomUUID } from 'node:crypto'
import { Kafka, logLevel, Partitioners } from 'kafkajs'
import { kafka } from '../../src/adapters/kafka/index.ts'
import { describeWithKafkaServer } from '../servers/describe-with-kafka.ts'
import { KAFKA_VERSIONS } from '../servers/provision-kafka.ts'
import { contract, uniquePrefix } from '../support/contract.ts'

for (const version of KAFKA_VERSIONS) {
  await describeWithKafkaServer(`Kafka ${version}`, version, (server) => {
    contract(`kafka ${version}`, async () => {
      const topic = `contract-${randomUUID()}`
      const other = new Kafka({ brokers: [server()], logLevel: logLevel.NOTHING }).producer({
        createPartitioner: Partitioners.DefaultPartitioner,
        allowAutoTopicCreation: false,
      })
      await other.connect()
      return {
        prefix: uniquePrefix(),
        transport: () => kafka({ url: `kafka://${server()}/${topic}`, create: true }),
        external: {
          put: (key, value) =>
            other.send({ topic, messages: [{ key, value: Buffer.from(value) }] }),
          delete: (key) => other.send({ topic, messages: [{ key, value: null }] }),
        },
        dispose: () => other.disconnect(),
      }
    })
  })
}
