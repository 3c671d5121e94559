import { describe, expect, it } from '@jest/globals'
import { Client, credentials, makeGenericClientConstructor, Metadata, status } from '@grpc/grpc-js'
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js'
import healthCheck from 'grpc-health-check'
import { dataMsgClient, grpc } from '../../src/adapters/grpc/index.ts'
import {
  dataChangeReply,
  dataChangeRequest,
  pingReply,
  pingRequest,
} from '../../src/adapters/grpc/datamsg-schema.ts'
import { rootOf } from '../../src/adapters/grpc/proto-table.ts'
import {
  COMMIT_PATH,
  commitReply,
  commitRequest,
  WATCH_PATH,
  watchEvent,
  watchRequest,
} from '../../src/adapters/grpc/watch-schema.ts'
import type { CommitRequest, WatchEvent } from '../../src/adapters/grpc/watch-schema.ts'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, memory, raw } from '../../src/index.ts'
import type { ChangeEvent } from '../../src/index.ts'
import { frame, rawCall, rawSession } from '../support/grpc-frames.ts'
import { serveAgent } from '../support/grpc.ts'
import { onTeardown } from '../support/teardown.ts'
import { commitTo, probeStream, put, realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'

function clientOf(port: number): Client {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  })
  onTeardown(() => client.close())
  return client
}

const plain = (bytes: Buffer): Buffer => bytes

function call<T>(
  client: Client,
  path: string,
  request: Buffer,
  decode: (bytes: Buffer) => T,
  options: { deadline?: Date; metadata?: Metadata } = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      plain,
      decode,
      request,
      options.metadata ?? new Metadata(),
      options.deadline === undefined ? {} : { deadline: options.deadline },
      (error: ServiceError | null, value?: T) =>
        error === null ? resolve(value as T) : reject(error),
    )
  })
}

const ping = (client: Client, options: { deadline?: Date; metadata?: Metadata } = {}) =>
  call(
    client,
    '/msg.DataMsgService/ping',
    pingRequest.encode({ message: '' }),
    pingReply.decode,
    options,
  )

const commit = (client: Client, request: Partial<CommitRequest>, options = {}) =>
  call(
    client,
    COMMIT_PATH,
    commitRequest.encode({ ops: [], wait: 0, timeoutMs: 0, ...request }),
    commitReply.decode,
    options,
  )

describe('health', () => {
  it('NOT_SERVING before the agent starts, SERVING then, and a watch of it tells', async () => {
    const agent = new Agent({ transport: memory() })
    const server = await serveGrpc(agent, {
      port: 0,
      access: [{ name: 'x', token: 'x'.repeat(16) }],
    })
    onTeardown(() => agent.close())
    const Health = makeGenericClientConstructor(healthCheck.service, 'Health')
    const client = new Health(`127.0.0.1:${server.port}`, credentials.createInsecure())
    onTeardown(() => client.close())
    const check = (service: string): Promise<string> =>
      new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, answer: { status: string }): void =>
          error === null ? resolve(answer.status) : reject(error)
        ;(client['check'] as (request: object, done: unknown) => void).call(
          client,
          { service },
          done,
        )
      })
    for (const service of ['', 'msg.DataMsgService', 'rxdatasync.v1.DataSync']) {
      expect(await check(service)).toBe('NOT_SERVING')
    }
    await expect(check('nothing')).rejects.toMatchObject({ code: status.NOT_FOUND })
    const told: string[] = []
    const watching = (
      client['watch'] as (request: object) => ClientReadableStream<{
        status: string
      }>
    ).call(client, { service: '' })
    watching.on('data', (answer: { status: string }) => told.push(answer.status))
    watching.on('error', () => {}) // canceled below
    await agent.start()
    await waitFor(() => told.at(-1) === 'SERVING')
    expect(await check('msg.DataMsgService')).toBe('SERVING')
    watching.cancel()
    await agent.close()
    await waitFor(() => server.connections === 0)
  })

  it('NOT_SERVING while the store is lost', async () => {
    const owner = new Agent({ transport: memory() })
    await owner.start()
    onTeardown(() => owner.close())
    const store = await serveRest(owner)
    const { agent, server } = await serveAgent(
      { transport: rest({ url: store.url }) },
      {},
      (served) => served.watch('follower', '/').handle({}),
    )
    const Health = makeGenericClientConstructor(healthCheck.service, 'Health')
    const client = new Health(`127.0.0.1:${server.port}`, credentials.createInsecure())
    onTeardown(() => client.close())
    const told: string[] = []
    const watching = (
      client['watch'] as (request: object) => ClientReadableStream<{ status: string }>
    ).call(client, { service: '' })
    watching.on('data', (answer: { status: string }) => told.push(answer.status))
    watching.on('error', () => {}) // canceled below
    await waitFor(() => told.at(-1) === 'SERVING')
    await store.close()
    await waitFor(() => told.at(-1) === 'NOT_SERVING')
    watching.cancel()
    await agent.close()
  })
})

describe('before the agent has started', () => {
  it('nothing is taken that its plugins would not apply; then it is', async () => {
    const agent = new Agent({ transport: memory() })
    const applied: string[] = []
    agent.watch('all', '/').handle({ change: ({ key }) => void applied.push(key) })
    const server = await serveGrpc(agent, { port: 0 })
    onTeardown(() => agent.close())
    const transport = grpc({ url: server.url })
    onTeardown(() => transport.close())
    await transport.open(realIo())
    await expect(commitTo(transport, put('/a', '1'))).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      outcome: 'not-applied',
    })
    await using client = dataMsgClient({ url: server.url })
    const changes = client.dataChanges([{ key: '/b', content: Uint8Array.of(1) }])
    await expect(changes[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
    })
    await agent.start()
    expect(await agent.get('/a')).toBeUndefined()
    const options = { waitFor: 'applied', timeoutMs: 5_000 } as const
    // It pauses between attempts.
    await waitFor(() =>
      transport.commit([put('/a', '1')], options, realIo()).then(
        () => true,
        () => false,
      ),
    )
    expect(applied).toEqual(['/a'])
  })
})

describe('reflection', () => {
  it.each(['v1', 'v1alpha'])(
    '%s lists the services and gives files to call them with',
    async (version) => {
      const { server } = await serveAgent()
      const client = clientOf(server.port)
      const table = {
        file: '',
        package: 'r',
        service: 'S',
        rpcs: {},
        enums: {},
        messages: {
          Request: { symbol: ['string', 4], list: ['string', 7] },
          Files: { files: ['bytes', 1, 'repeated'] },
          Service: { name: ['string', 1] },
          Services: { service: ['Service', 1, 'repeated'] },
          Response: { files: ['Files', 4], services: ['Services', 6] },
        },
      } as const
      const root = rootOf(table)
      const request = root.lookupType('r.Request')
      const response = root.lookupType('r.Response')
      const ask = async (message: object): Promise<Record<string, unknown>> =>
        new Promise((resolve, reject) => {
          const stream = client.makeBidiStreamRequest(
            `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
            plain,
            plain,
            new Metadata(),
          )
          stream.on('data', (bytes: Buffer) => {
            resolve(response.toObject(response.decode(bytes)))
            stream.end()
          })
          stream.on('error', reject)
          stream.write(Buffer.from(request.encode(message).finish()))
        })
      const { services } = await ask({ list: '*' })
      const names = (services as { service: { name: string }[] }).service.map(({ name }) => name)
      expect(names).toEqual(
        expect.arrayContaining([
          'msg.DataMsgService',
          'rxdatasync.v1.DataSync',
          'grpc.health.v1.Health',
        ]),
      )
      const { files } = await ask({ symbol: 'rxdatasync.v1.DataSync' })
      const [file] = (files as { files: Buffer[] }).files
      for (const name of ['datasync_watch.proto', 'CommitRequest', 'if_version', 'Watch']) {
        expect(file?.includes(name)).toBe(true)
      }
      const health = await ask({ symbol: 'grpc.health.v1.Health' })
      const [healthFile] = (health['files'] as { files: Buffer[] }).files
      // Programs in Go refuse a map whose entries have another name.
      expect(healthFile?.includes('StatusesEntry')).toBe(true)
    },
  )

  it('is off when that is asked for', async () => {
    const { server } = await serveAgent({}, { reflection: false })
    const stream = clientOf(server.port).makeBidiStreamRequest(
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      plain,
      plain,
      new Metadata(),
    )
    const error = await new Promise<ServiceError>((resolve) => stream.on('error', resolve))
    expect(error.code).toBe(status.UNIMPLEMENTED)
  })
})

describe('limits', () => {
  it('a message beyond maxBodyBytes is refused, and the connection goes on', async () => {
    const { agent, server } = await serveAgent({}, { limits: { maxBodyBytes: 10_000 } })
    const client = clientOf(server.port)
    const value = Buffer.alloc(20_000)
    await expect(commit(client, { ops: [{ put: { key: '/x', value } }] })).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    })
    expect(await agent.get('/x')).toBeUndefined()
    expect(await ping(client)).toMatchObject({ message: 'it works' })
  })

  it('operations, keys, prefixes and items are counted', async () => {
    const limits = { maxOps: 2, maxKeys: 2, maxPrefixes: 2 }
    const { url, client } = await serveAgent({}, { limits })
    const transport = client()
    onTeardown(() => transport.close())
    const three = ['/1', '/2', '/3']
    await expect(commitTo(transport, ...three.map((key) => put(key, 'x')))).rejects.toMatchObject({
      code: 'SYNC_PAYLOAD_TOO_LARGE',
      size: 3,
      limit: 2,
    })
    await expect(transport.get(three, realIo())).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    expect(await probeStream(client(), three).failure()).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    const go = dataMsgClient({ url })
    onTeardown(() => go.close())
    await expect(
      go.dataResyncs(three.map((key) => ({ key, content: Buffer.from('x') }))),
    ).rejects.toMatchObject({ code: 'SYNC_PAYLOAD_TOO_LARGE' })
  })

  it('calls per second', async () => {
    const { server } = await serveAgent({}, { limits: { requestsPerSecond: 5 } })
    const client = clientOf(server.port)
    const codes = await Promise.all(
      Array.from({ length: 20 }, () =>
        ping(client).then(
          () => 0,
          (error: ServiceError) => error.code,
        ),
      ),
    )
    expect(codes.filter((code) => code === 0).length).toBeLessThanOrEqual(10)
    expect(codes.filter((code) => code === status.RESOURCE_EXHAUSTED).length).toBeGreaterThan(0)
    await waitFor(() => ping(client))
  })

  it('watches in all and per client; one that ends makes room', async () => {
    const { server, client } = await serveAgent({}, { limits: { maxWatchersPerClient: 2 } })
    const probes = [probeStream(client(), ['/a/']), probeStream(client(), ['/a/'])]
    await Promise.all(probes.map((probe) => probe.untilListed()))
    expect(server.watches).toBe(2)
    expect(await probeStream(client(), ['/a/']).failure()).toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      retryable: true,
    })
    await probes[0]?.stop()
    await waitFor(() => server.watches === 1)
    await probeStream(client(), ['/a/']).untilListed()
  })

  it('connections', async () => {
    const { server, client } = await serveAgent({}, { maxConnections: 1 })
    const first = client()
    onTeardown(() => first.close())
    await first.open(realIo())
    expect(server.connections).toBe(1)
    const second = client({ connectTimeoutMs: 500 })
    onTeardown(() => second.close())
    await expect(second.get(['/a'], realIo())).rejects.toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    await first.get(['/a'], realIo())
  })
})

describe('deadlines', () => {
  it('a write ends at its caller’s deadline, and says that it is stored', async () => {
    const { agent, server } = await serveAgent({}, {}, (agent) => {
      const silent = agent.watch('silent', '/s/', { doneTimeoutMs: { change: 0 } })
      silent.resyncs$.subscribe((event) => event.done())
      silent.changes$.subscribe(() => {})
    })
    const ops = [{ put: { key: '/s/1', value: Buffer.from('x') } }]
    const startedAt = performance.now()
    await expect(
      commit(clientOf(server.port), { ops }, { deadline: new Date(Date.now() + 200) }),
    ).rejects.toMatchObject({ code: status.DEADLINE_EXCEEDED })
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    expect(await agent.get('/s/1')).toBeDefined()
  })

  it('a client’s own timeout: TimeoutError, stored', async () => {
    const { client } = await serveAgent({}, {}, (agent) => {
      const silent = agent.watch('silent', '/s/', { doneTimeoutMs: { change: 0 } })
      silent.resyncs$.subscribe((event) => event.done())
      silent.changes$.subscribe(() => {})
    })
    const writer = new Agent({ transport: client() })
    onTeardown(() => writer.close())
    await writer.start()
    const written = writer.put('/s/1', raw(Buffer.from('x')), {
      waitFor: 'applied',
      timeoutMs: 1_000,
    })
    await expect(written).rejects.toMatchObject({ code: 'SYNC_TIMEOUT', outcome: 'stored' })
  })
})

describe('errors as they travel', () => {
  it('conflict, refusal, unsupported option: the same errors on the other side', async () => {
    const { client } = await serveAgent({}, {}, (agent) => {
      agent.watch('refuser', '/r/', { onRefusal: 'continue' }).handle({
        change: () => {
          throw new Error('no room for it')
        },
      })
    })
    const remote = new Agent({ transport: client() })
    onTeardown(() => remote.close())
    await remote.start()
    const value = raw(Buffer.from('x'))
    const { version } = await remote.put('/c', value)
    await expect(remote.put('/c', value, { ifVersion: 'other' })).rejects.toMatchObject({
      code: 'SYNC_VERSION_CONFLICT',
      key: '/c',
      expected: 'other',
      actual: version,
    })
    await expect(remote.put('/c', value, { ifAbsent: true })).rejects.toMatchObject({
      code: 'SYNC_VERSION_CONFLICT',
      expected: undefined,
      actual: version,
    })
    const refused = remote.put('/r/1', value, { waitFor: 'applied' })
    await expect(refused).rejects.toMatchObject({
      code: 'SYNC_REFUSED',
      refusals: [{ registration: 'refuser', cause: { message: 'no room for it' } }],
    })
    expect((await remote.put('/free', value, { waitFor: 'applied' })).receivers).toBe(0)
  })

  it('a status without our details is one of ours by its code', async () => {
    // Any gRPC server that lacks the service.
    const { Server, ServerCredentials } = await import('@grpc/grpc-js')
    const server = new Server()
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    )
    onTeardown(() => server.forceShutdown())
    const transport = grpc({ url: `grpc://127.0.0.1:${port}` })
    onTeardown(() => transport.close())
    await expect(transport.open(realIo())).rejects.toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      retryable: false,
    })
  })
})

describe('close', () => {
  it('of the agent ends watches with UNAVAILABLE and leaves no connection; twice is once', async () => {
    const { agent, server } = await serveAgent()
    const watch = clientOf(server.port).makeServerStreamRequest(
      WATCH_PATH,
      plain,
      watchEvent.decode as (bytes: Buffer) => WatchEvent,
      watchRequest.encode({ prefixes: ['/'], position: '', heartbeatMs: 0 }),
      new Metadata(),
    )
    let listed = false
    watch.on('data', (event: WatchEvent) => {
      if (event.listed) listed = true
    })
    const ended = new Promise<ServiceError>((resolve) => watch.on('error', resolve))
    await waitFor(() => listed)
    await agent.close()
    expect(await ended).toMatchObject({ code: status.UNAVAILABLE })
    await Promise.all([server.close(), server.close()])
    expect(server.connections).toBe(0)
  })

  it('waits for a change that is under way, and replies to it', async () => {
    let finish = (): void => {}
    const { server } = await serveAgent({}, {}, (agent) => {
      const registration = agent.watch('slow', '/s/')
      registration.resyncs$.subscribe((event) => event.done())
      registration.changes$.subscribe((event) => {
        finish = () => event.done()
      })
    })
    const stream = clientOf(server.port).makeBidiStreamRequest(
      '/msg.DataMsgService/dataChanges',
      plain,
      dataChangeReply.decode,
      new Metadata(),
    )
    const results: number[] = []
    stream.on('data', ({ result }: { result: number }) => results.push(result))
    const ended = new Promise<ServiceError>((resolve) => stream.on('error', resolve))
    const change = {
      key: '/s/1',
      operationType: 0,
      content: Buffer.from('x'),
      content_type: '',
    } as const
    stream.write(dataChangeRequest.encode(change))
    await waitFor(() => finish.length === 0 && String(finish).includes('done'))
    const closed = server.close()
    finish()
    expect(await ended).toMatchObject({ code: status.UNAVAILABLE })
    expect(results).toEqual([0])
    await closed
  })

  it('ends streams of health and reflection, which would stay as long as their clients', async () => {
    const { server } = await serveAgent({}, { closeTimeoutMs: 60_000 })
    const client = clientOf(server.port)
    const health = client.makeServerStreamRequest(
      '/grpc.health.v1.Health/Watch',
      plain,
      plain,
      Buffer.alloc(0),
      new Metadata(),
    )
    const reflection = client.makeBidiStreamRequest(
      '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
      plain,
      plain,
      new Metadata(),
    )
    const ended = [health, reflection].map(
      (stream) => new Promise<ServiceError>((resolve) => stream.on('error', resolve)),
    )
    const told: string[] = []
    health.on('data', (answer: Buffer) => told.push(answer.toString('hex')))
    const listed = new Promise((resolve) => reflection.on('data', resolve))
    reflection.write(Buffer.from('3a012a', 'hex')) // list_services: "*"
    await listed
    await waitFor(() => told.at(-1) === '0801')
    await server.close()
    for (const error of await Promise.all(ended)) expect(error.code).toBe(status.UNAVAILABLE)
    expect(told.at(-1)).toBe('0802')
  })

  it('a stream whose client has sent all that it had ends as if nothing were', async () => {
    const open: ChangeEvent[] = []
    const { server } = await serveAgent({}, {}, (agent) => {
      const registration = agent.watch('slow', '/s/')
      registration.resyncs$.subscribe((event) => event.done())
      registration.changes$.subscribe((event) => void open.push(event))
    })
    const call = rawCall(rawSession(server.port), '/msg.DataMsgService/dataChanges')
    const content = Buffer.from('x')
    const change = { key: '/s/1', operationType: 0, content, content_type: '' }
    call.stream.end(frame(dataChangeRequest.encode(change)))
    await waitFor(() => open.length === 1)
    const closed = server.close()
    open[0]?.done()
    expect((await call.ended)['grpc-status']).toBe('0')
    expect(call.messages).toHaveLength(1)
    await closed
  })
})

describe('a commit', () => {
  const value = Buffer.from('x')
  it.each<[string, Partial<CommitRequest>]>([
    ['several kinds', { ops: [{ put: { key: '/x', value }, delete: { key: '/y' } }] }],
    ['no known kind', { ops: [{}] }],
    ['way to wait', { ops: [{ put: { key: '/x', value } }], wait: 7 }],
    ['timeoutMs', { ops: [{ put: { key: '/x', value } }], timeoutMs: -1 }],
    ['timeoutMs', { ops: [{ put: { key: '/x', value } }], timeoutMs: NaN }],
  ])('that cannot be meant is refused: %s', async (text, request) => {
    const { agent, server } = await serveAgent()
    const refused = commit(clientOf(server.port), request)
    await expect(refused).rejects.toMatchObject({ code: status.INVALID_ARGUMENT })
    await expect(refused).rejects.toThrow(text)
    expect(await agent.get('/x')).toBeUndefined()
  })
})

it('keepalive: a client that answers no ping is cut off', async () => {
  const { server } = await serveAgent({}, { keepaliveMs: 50, keepaliveTimeoutMs: 50 })
  // A program that connects and never says anything (slowloris).
  const { connect } = await import('node:net')
  const socket = connect(server.port, '127.0.0.1')
  onTeardown(() => socket.destroy())
  socket.on('error', () => {})
  await waitFor(() => server.connections === 1)
  await waitFor(() => server.connections === 0)
})

it('maxConnectionAgeMs: a watch goes on over new connections without a RESYNC', async () => {
  const { agent, server, client } = await serveAgent(
    {},
    { maxConnectionAgeMs: 300, closeTimeoutMs: 50 },
  )
  let resyncs = 0
  const seen = new Set<string>()
  const remote = new Agent({ transport: client(), random: () => 0.01 })
  onTeardown(() => remote.close())
  remote.watch('all', '/a/').handle({
    resync: () => void resyncs++,
    change: ({ key }) => void seen.add(key),
  })
  await remote.start()
  let written = 0
  await waitFor(async () => {
    await agent.put(`/a/${written++}`, raw(Buffer.from('x')))
    return (remote.health().transports[0]?.reconnects ?? 0) >= 2
  })
  await waitFor(() => seen.size === written)
  expect(resyncs).toBe(1)
  expect(server.watches).toBeLessThanOrEqual(1)
})
