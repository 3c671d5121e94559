import { afterEach, describe, expect, it, jest } from '@jest/globals'
import { once } from 'node:events'
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2'
import { createRequire } from 'node:module'
import { HealthImplementation } from 'grpc-health-check'
import { dataChangeRequest } from '../../src/adapters/grpc/datamsg-schema.ts'
import { COMMIT_PATH, GET_PATH } from '../../src/adapters/grpc/watch-schema.ts'
import { frame, rawCall, rawSession } from '../support/grpc-frames.ts'
import { serveAgent } from '../support/grpc.ts'
import { waitFor } from '../support/wait-for.ts'

const PING = '/msg.DataMsgService/ping'
const HEALTH = '/grpc.health.v1.Health/'
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'
const OK = '0'
const INVALID_ARGUMENT = '3'
const RESOURCE_EXHAUSTED = '8'
const FAILED_PRECONDITION = '9'
const UNAUTHENTICATED = '16'

async function answer(
  session: ClientHttp2Session,
  path: string,
  message: string | Uint8Array,
): Promise<IncomingHttpHeaders> {
  const call = rawCall(session, path)
  call.stream.end(frame(message))
  return call.ended
}

const statusOf = async (headers: Promise<IncomingHttpHeaders>): Promise<unknown> =>
  (await headers)['grpc-status']

/** A message whose only field is a text. */
function named(field: number, name: string): Buffer {
  const text = Buffer.from(name)
  const head = [(field << 3) | 2]
  let rest = text.length
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80)
  return Buffer.concat([Buffer.from([...head, rest]), text])
}

afterEach(() => {
  jest.restoreAllMocks()
})

describe('texts that others decide', () => {
  it('half a character: in a message that is no JSON, and in what a plugin says', async () => {
    const { server } = await serveAgent({}, {}, (agent) => {
      agent.watch('plugin', '/a/').handle({
        change: () => {
          throw new Error(`bad \ud83d`)
        },
      })
    })
    const session = rawSession(server.port)
    expect(await statusOf(answer(session, PING, '{"message":😀}'))).toBe(INVALID_ARGUMENT)
    const put = JSON.stringify({ ops: [{ put: { key: '/a/1', value: '' } }] })
    const refused = await answer(session, COMMIT_PATH, put)
    expect(refused['grpc-status']).toBe(FAILED_PRECONDITION)
    expect(decodeURI(String(refused['grpc-message']))).toContain('bad \ufffd')
    expect(await statusOf(answer(session, PING, '{}'))).toBe(OK)
  })

  it('as long as a message may be: the status is short, and the connection lives on', async () => {
    const { server } = await serveAgent()
    const session = rawSession(server.port)
    const long = 'ü'.repeat(1_000_000)
    const requests: [path: string, request: object][] = [
      [GET_PATH, { keys: [long] }],
      [COMMIT_PATH, { ops: [{ put: { key: long, value: '' } }] }],
      [COMMIT_PATH, { ops: [{ put: { key: '/a', value: '', ifVersion: long } }] }],
    ]
    for (const [path, request] of requests) {
      const headers = await answer(session, path, JSON.stringify(request))
      expect(Number(headers['grpc-status'])).toBeGreaterThan(0)
      // As much as grpc-c takes.
      expect(JSON.stringify(headers).length).toBeLessThan(16_384)
    }
    expect(await statusOf(answer(session, PING, '{}'))).toBe(OK)
  })
})

describe('strangers', () => {
  const access = [{ name: 'x', token: 'x'.repeat(16) }]

  it('are refused at their headers: what they send is not read', async () => {
    const { server } = await serveAgent({}, { access })
    const session = rawSession(server.port)
    const begun = Array.from({ length: 50 }, () => {
      const call = rawCall(session, '/msg.DataMsgService/dataResyncs')
      const head = Buffer.alloc(5)
      head.writeUInt32BE(8_000_000, 1)
      // The message is never complete.
      call.stream.write(head)
      return once(call.stream, 'response') as Promise<[IncomingHttpHeaders]>
    })
    for (const [headers] of await Promise.all(begun)) {
      expect(headers['grpc-status']).toBe(UNAUTHENTICATED)
    }
  })

  it('ask for health and reflection with short messages only', async () => {
    const { server } = await serveAgent({}, { access })
    const session = rawSession(server.port)
    const long = 'x'.repeat(10_000)
    for (const path of [`${HEALTH}Check`, `${HEALTH}Watch`, REFLECTION]) {
      expect(await statusOf(answer(session, path, named(1, long)))).toBe(RESOURCE_EXHAUSTED)
    }
    expect(await statusOf(answer(session, `${HEALTH}Check`, ''))).toBe(OK)
  })

  it('who watch the health of services that do not exist leave nothing behind', async () => {
    const kept = jest.spyOn(HealthImplementation.prototype as never, 'addWatcher')
    const { server } = await serveAgent({}, { access })
    const session = rawSession(server.port)
    const unknown = rawCall(session, `${HEALTH}Watch`)
    unknown.stream.end(frame(named(1, 'nobody')))
    await waitFor(() => unknown.messages.length > 0)
    // SERVICE_UNKNOWN, and the stream stays open, as the protocol asks for.
    expect(unknown.messages).toEqual([Buffer.from([8, 3])])
    expect(kept).not.toHaveBeenCalled()
    const known = rawCall(session, `${HEALTH}Watch`)
    known.stream.end(frame(''))
    await waitFor(() => known.messages.length > 0)
    expect(kept).toHaveBeenCalledTimes(1)
  })

  it('hold a bounded number of streams, and others go on', async () => {
    const { server } = await serveAgent({}, { access })
    const session = rawSession(server.port)
    const watches = Array.from({ length: 64 }, () => {
      const call = rawCall(session, `${HEALTH}Watch`)
      call.stream.end(frame(''))
      return call
    })
    for (const { messages } of watches) await waitFor(() => messages.length > 0)
    expect(await statusOf(answer(session, `${HEALTH}Watch`, ''))).toBe(RESOURCE_EXHAUSTED)
    expect(await statusOf(answer(session, REFLECTION, named(7, '')))).toBe(RESOURCE_EXHAUSTED)
    expect(await statusOf(answer(session, `${HEALTH}Check`, ''))).toBe(OK)
    watches[0]?.stream.close()
    await waitFor(async () => {
      const next = rawCall(session, REFLECTION)
      next.stream.end(frame(named(7, '')))
      return (await statusOf(next.ended)) === OK
    })
  })

  it('who take no answers of reflection are not read on', async () => {
    const { ReflectionV1Implementation } = createRequire(import.meta.url)(
      '@grpc/reflection/build/src/implementations/reflection-v1.js',
    ) as {
      ReflectionV1Implementation: {
        prototype: { handleServerReflectionRequest(message: unknown): unknown }
      }
    }
    const handled = jest.spyOn(
      ReflectionV1Implementation.prototype,
      'handleServerReflectionRequest',
    )
    const { server } = await serveAgent({}, { access })
    const session = rawSession(server.port)
    const stream = session.request({
      ':method': 'POST',
      ':path': REFLECTION,
      'content-type': 'application/grpc',
      te: 'trailers',
    })
    stream.on('error', () => {}) // reset at the end
    const request = frame(named(4, 'rxdatasync.v1.DataSync'))
    stream.write(Buffer.concat(Array.from({ length: 2_000 }, () => request)))
    await waitFor(() => handled.mock.calls.length > 10)
    // Turns of the same connection, in which it could have read on.
    for (let i = 0; i < 50; i++) {
      expect(await statusOf(answer(session, `${HEALTH}Check`, ''))).toBe(OK)
    }
    expect(handled.mock.calls.length).toBeLessThan(200)
  })
})

it('dataChanges: keys count as contents do, in what may be under way', async () => {
  const { server } = await serveAgent({}, {}, (agent) => {
    const blocked = agent.watch('blocked', '/a/', { doneTimeoutMs: { change: 0 } })
    blocked.resyncs$.subscribe((event) => event.done())
    blocked.changes$.subscribe(() => {}) // never answers
  })
  const session = rawSession(server.port)
  const { stream } = rawCall(rawSession(server.port), '/msg.DataMsgService/dataChanges')
  const change = (key: string): Buffer =>
    frame(
      dataChangeRequest.encode({
        key,
        operationType: 0,
        content: new Uint8Array(),
        content_type: '',
      }),
    )
  const read = jest.spyOn(dataChangeRequest, 'decode')
  stream.write(change('/a/1'))
  for (let i = 0; i < 100; i++) stream.write(change('x'.repeat(1_048_576)))
  await waitFor(() => read.mock.calls.length > 15)
  // Time in which it could have read on.
  for (let i = 0; i < 200; i++) expect(await statusOf(answer(session, PING, '{}'))).toBe(OK)
  expect(read.mock.calls.length).toBeLessThan(20)
})
