import { readFile } from 'node:fs/promises'
import { afterEach, beforeAll, expect, it } from '@jest/globals'
import { diagnoseKafka } from '../../src/adapters/kafka/doctor.ts'
import { kafka } from '../../src/adapters/kafka/index.ts'
import type { KafkaOptions, KafkaTransport } from '../../src/adapters/kafka/index.ts'
import { isSyncError } from '../../src/index.ts'
import type { Logger } from '../../src/index.ts'
import { describeWithKafka } from '../servers/describe-with-kafka.ts'
import { startKafka } from '../servers/kafka-server.ts'
import type { KafkaServer } from '../servers/kafka-server.ts'
import { makeCertificates } from '../servers/redis-certificates.ts'
import type { RedisCertificates } from '../servers/redis-certificates.ts'
import { runCli } from '../support/cli.ts'
import { freePort } from '../support/free-port.ts'
import { createTopic, otherProgram, uniqueTopic } from '../support/kafka-topics.ts'
import type { OtherProgram } from '../support/kafka-topics.ts'
import { tempDir } from '../support/temp-dir.ts'
import { commitTo, put, realIo } from '../support/transport-stream.ts'

const opened: KafkaTransport[] = []
afterEach(async () => {
  await Promise.all(opened.splice(0).map((transport) => transport.close()))
})

async function open(options: KafkaOptions, logger?: Logger): Promise<KafkaTransport> {
  const transport = kafka(options)
  opened.push(transport)
  await transport.open(realIo(logger === undefined ? {} : { logger }))
  return transport
}

async function failure(options: KafkaOptions): Promise<unknown> {
  return open(options).catch((error: unknown) => error)
}

await describeWithKafka('Kafka, open', () => {
  let server: KafkaServer
  let other: OtherProgram
  let certificates: RedisCertificates
  let saslPort: number
  let tlsPort: number

  beforeAll(async () => {
    certificates = await makeCertificates(await tempDir('tls'))
    saslPort = await freePort()
    tlsPort = await freePort()
    server = await startKafka({
      certificates,
      users: { alice: 'wonder-secret' },
      listeners: [
        { name: 'SASL', protocol: 'SASL_PLAINTEXT', port: saslPort },
        { name: 'TLS', protocol: 'SSL', port: tlsPort },
      ],
    })
    other = await otherProgram(server.address)
  }, 180_000)

  it('makes a missing topic when asked to, compacted, for values of 8 MiB', async () => {
    const topic = uniqueTopic()
    const refused = await failure({ brokers: [server.address], topic })
    expect(isSyncError(refused, 'SYNC_INVALID_OPTION')).toBe(true)
    expect(String(refused)).toContain('does not exist')
    const transport = await open({
      brokers: [server.address],
      topic,
      create: { partitions: 2, config: { 'delete.retention.ms': '60000' } },
    })
    const { maxValueBytes = 0 } = transport.capabilities
    const value = Buffer.alloc(maxValueBytes, 'x')
    await commitTo(transport, { type: 'put', key: '/large', value })
    const [pair] = await transport.get(['/large'], realIo())
    expect(pair?.value.length).toBe(maxValueBytes)
    const findings = await diagnose({ brokers: [server.address], topic })
    expect(findings['cleanup policy']?.detail).toContain('compact')
    expect(findings['delete retention']?.detail).toContain('60000')
    expect(findings['partitions']?.level).toBe('ok')
  })

  it('refuses a topic whose policy is not exactly compact, at open and by the doctor', async () => {
    const topic = await createTopic(other, { config: { 'cleanup.policy': 'compact,delete' } })
    const refused = await failure({ brokers: [server.address], topic })
    expect(isSyncError(refused, 'SYNC_INVALID_OPTION')).toBe(true)
    expect(String(refused)).toContain('cleanup.policy')
    const findings = await diagnose({ brokers: [server.address], topic })
    expect(findings['cleanup policy']?.level).toBe('error')
    const missing = await diagnose({ brokers: [server.address], topic: 'no-such-topic' })
    expect(missing['topic']?.level).toBe('error')
  })

  it("a value beyond the topic's limit is PayloadTooLargeError, and the connection is usable", async () => {
    const topic = await createTopic(other, { config: { 'max.message.bytes': '20000' } })
    const transport = await open({ brokers: [server.address], topic })
    const large = { type: 'put', key: '/large', value: Buffer.alloc(30_000) } as const
    const [refused, stored] = await Promise.all([
      commitTo(transport, large).catch((error: unknown) => error),
      // In the same request, perhaps.
      commitTo(transport, put('/small', 'x')),
    ])
    expect(isSyncError(refused, 'SYNC_PAYLOAD_TOO_LARGE')).toBe(true)
    expect(stored.versions.length).toBe(1)
    const together = await commitTo(transport, large, put('/b', 'x')).catch(
      (error: unknown) => error,
    )
    expect(isSyncError(together, 'SYNC_PAYLOAD_TOO_LARGE')).toBe(true)
    await commitTo(transport, put('/c', 'x'), put('/d', 'x'))
    const pairs = await transport.get(['/large', '/small', '/b', '/c', '/d'], realIo())
    expect(pairs.map(({ key }) => key)).toEqual(['/small', '/c', '/d'])
  })

  for (const sasl of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
    it(`logs in by ${sasl}; refused credentials reject open; secrets stay out of errors and log`, async () => {
      const topic = await createTopic(other)
      const lines: string[] = []
      const write = (fields: object, message: string): void => {
        lines.push(`${message} ${JSON.stringify(fields)}`)
      }
      const logger = { debug: write, info: write, warn: write, error: write }
      const url = `kafka://alice:wonder-secret@127.0.0.1:${saslPort}/${topic}`
      const transport = await open({ url, sasl }, logger)
      await commitTo(transport, put('/a', 'x'))
      expect((await transport.get(['/a'], realIo())).length).toBe(1)
      const refused = await failure({ url: url.replace('wonder', 'wrong'), sasl })
      expect(isSyncError(refused, 'SYNC_ACCESS_DENIED')).toBe(true)
      expect(`${String(refused)}${lines.join('')}`).not.toMatch(/secret/u)
    })
  }

  it('speaks TLS; a certificate that does not hold rejects open', async () => {
    const topic = await createTopic(other)
    const url = `kafkas://127.0.0.1:${tlsPort}/${topic}`
    const refused = await failure({ url })
    expect(isSyncError(refused, 'SYNC_ACCESS_DENIED')).toBe(true)
    const transport = await open({ url, tls: { ca: await readFile(certificates.ca) } })
    await commitTo(transport, put('/a', 'x'))
    expect((await transport.get(['/a'], realIo())).length).toBe(1)
  })

  it('an unreachable broker is no error of open', async () => {
    const transport = await open({ url: `kafka://127.0.0.1:${await freePort()}/t` })
    const failed = await commitTo(transport, put('/a', 'x')).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'SYNC_UNAVAILABLE', outcome: 'not-applied' })
    const findings = await diagnose({ url: `kafka://127.0.0.1:${await freePort()}/t` })
    expect(findings['connection']?.level).toBe('error')
  })

  it('the command line: put, get, ls, del and doctor, each a process that ends', async () => {
    const topic = uniqueTopic()
    const url = `kafka://${server.address}/${topic}`
    expect((await runCli(['get', url, '/a'])).code).not.toBe(0)
    const put = await runCli(['put', url, '/a', 'hello', '--set', 'create=true'])
    expect(put).toMatchObject({ code: 0, records: [{ key: '/a', version: '0:0' }] })
    expect(await runCli(['get', url, '/a'])).toMatchObject({ code: 0, records: [{ key: '/a' }] })
    expect((await runCli(['ls', url, '/'])).records).toHaveLength(1)
    expect((await runCli(['del', url, '/a'])).code).toBe(0)
    expect((await runCli(['ls', url, '/'])).records).toHaveLength(0)
    const doctor = await runCli(['doctor', url])
    expect(doctor.stdout).toContain('cleanup policy')
    const tls = [`kafkas://127.0.0.1:${tlsPort}/${topic}`, '/', '--tls-ca', certificates.ca]
    expect((await runCli(['ls', ...tls])).code).toBe(0)
  })

  it('refuses what Kafka cannot do', async () => {
    const topic = await createTopic(other)
    const transport = await open({ brokers: [server.address], topic })
    for (const op of [
      put('/a', 'x', { ttlMs: 1 }),
      put('/a', 'x', { ifAbsent: true }),
      put('/a', 'x', { ifVersion: '0:0' }),
    ]) {
      const refused = await commitTo(transport, op).catch((error: unknown) => error)
      expect(isSyncError(refused, 'SYNC_UNSUPPORTED_OPTION')).toBe(true)
    }
  })
})

async function diagnose(
  options: KafkaOptions,
): Promise<Record<string, { level: string; detail: string }>> {
  const found: Record<string, { level: string; detail: string }> = {}
  for await (const { check, level, detail } of diagnoseKafka(options, realIo())) {
    found[check] = { level, detail }
  }
  return found
}
