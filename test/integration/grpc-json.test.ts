import { describe, expect, it } from '@jest/globals'
import { dataChangeReply, dataChangeRequest } from '../../src/adapters/grpc/datamsg-schema.ts'
import { raw } from '../../src/index.ts'
import { frame, rawCall, rawSession } from '../support/grpc-frames.ts'
import { serveAgent } from '../support/grpc.ts'
import { waitFor } from '../support/wait-for.ts'

/** As encoding/json of Go writes the library's generated structs. */
const CHANGE = '{"key":"/go/a","content":"dmFsdWU="}'
const DELETE = '{"key":"/go/a","operationType":1}'

// What grpc-go sends with CallContentSubtype("json"), with a codec of another name, and with a custom codec of old.
describe.each(['application/grpc+json', 'application/grpc+goJson', 'application/grpc'])(
  'JSON as %s',
  (type) => {
    it('dataChanges', async () => {
      const { agent, server } = await serveAgent()
      const call = rawCall(rawSession(server.port), '/msg.DataMsgService/dataChanges', type)
      call.stream.write(frame(CHANGE))
      await waitFor(() => call.messages.length === 1)
      expect(Buffer.from((await agent.get('/go/a'))?.bytes ?? []).toString()).toBe('value')
      call.stream.write(frame(DELETE))
      await waitFor(() => call.messages.length === 2)
      expect(await agent.get('/go/a')).toBeUndefined()
      call.stream.end()
      const trailers = await call.ended
      expect(trailers).toMatchObject({
        ':status': 200,
        'content-type': 'application/grpc+json',
        'grpc-status': '0',
      })
      expect(call.messages.map((message) => JSON.parse(message.toString()))).toEqual([
        { key: '/go/a', operationType: 0, result: 0 },
        { key: '/go/a', operationType: 1, result: 0 },
      ])
    })

    it('dataResyncs and ping', async () => {
      const { agent, server } = await serveAgent()
      await agent.put('/go/old', raw(Uint8Array.of(1)))
      const session = rawSession(server.port)
      const resync = rawCall(session, '/msg.DataMsgService/dataResyncs', type)
      const item = { key: '/go/b', content: 'dmFsdWU=' }
      const sent = { msgId: { originator: 'go', seqCreatedSec: 1_600_000_000, seq: 4 } }
      resync.stream.end(frame(JSON.stringify({ ...sent, dataResyncs: [item] })))
      expect((await resync.ended)['grpc-status']).toBe('0')
      expect(JSON.parse(String(resync.messages[0]))).toEqual({
        ...sent,
        dataResyncs: { replies: [{ resyncId: sent.msgId, key: '/go/b', result: 0 }] },
      })
      expect(await agent.get('/go/old')).toBeUndefined()
      const ping = rawCall(session, '/msg.DataMsgService/ping', type)
      ping.stream.end(frame('{"message":"are you there?"}'))
      expect(await ping.ended).toMatchObject({ 'content-type': 'application/grpc+json' })
      expect(JSON.parse(String(ping.messages[0]))).toEqual({ message: 'it works' })
    })
  },
)

it('protobuf and JSON on one connection, and even on one stream, each answered in its own form', async () => {
  const { server } = await serveAgent()
  const call = rawCall(rawSession(server.port), '/msg.DataMsgService/dataChanges')
  const content = Buffer.from('v')
  const change = { key: '/p', operationType: 0, content, content_type: '' } as const
  call.stream.write(frame(dataChangeRequest.encode(change)))
  call.stream.end(frame(CHANGE))
  await call.ended
  expect(dataChangeReply.decode(call.messages[0] as Buffer)).toMatchObject({ key: '/p', result: 0 })
  expect(JSON.parse(String(call.messages[1]))).toMatchObject({ key: '/go/a', result: 0 })
})

it('a watch in JSON', async () => {
  const { agent, server } = await serveAgent()
  await agent.put('/w/a', raw(Buffer.from('1')))
  const call = rawCall(rawSession(server.port), '/rxdatasync.v1.DataSync/Watch')
  call.stream.end(frame('{"prefixes":["/w/"]}'))
  await waitFor(() => call.messages.some((message) => message.includes('listed')))
  await agent.delete('/w/a')
  await waitFor(() => call.messages.some((message) => message.includes('changes')))
  const events = call.messages.map((message) => JSON.parse(message.toString()) as object)
  expect(events).toMatchObject([
    { begin: {} },
    { pairs: { pairs: [{ key: '/w/a', value: 'MQ==' }] } },
    { listed: {} },
    { changes: { changes: [{ deletedKey: '/w/a' }] } },
  ])
  call.stream.close()
})
