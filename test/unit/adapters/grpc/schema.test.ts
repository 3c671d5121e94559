import { describe, expect, it } from '@jest/globals'
import protobuf from 'protobufjs'
import {
  DATAMSG,
  dataChangeReply,
  dataChangeRequest,
  dataResyncReplies,
  dataResyncRequests,
} from '../../../../src/adapters/grpc/datamsg-schema.ts'
import { rootOf, snake } from '../../../../src/adapters/grpc/proto-table.ts'
import { DATASYNC, watchEvent } from '../../../../src/adapters/grpc/watch-schema.ts'
import { readText } from '../../../support/repository.ts'

/** Without comments: a .proto file and a table are compared by what they say. */
function parsed(file: string): protobuf.Root {
  return protobuf.parse(readText(`proto/${file}`), { keepCase: true }).root.resolveAll() as never
}

/** Fields by number, streams and enums: all that is on the wire. */
function shapeOf(root: protobuf.Root): unknown {
  const shapes: Record<string, unknown> = {}
  const visit = (space: protobuf.NamespaceBase): void => {
    for (const item of space.nestedArray) {
      if (item instanceof protobuf.Type) {
        shapes[item.fullName] = item.fieldsArray
          .map(({ name, id, type, repeated, options }) => [
            id,
            name,
            type.split('.').at(-1),
            repeated,
            options?.['proto3_optional'] === true,
          ])
          .sort(([a], [b]) => Number(a) - Number(b))
      } else if (item instanceof protobuf.Enum) shapes[item.fullName] = { ...item.values }
      else if (item instanceof protobuf.Service) {
        shapes[item.fullName] = item.methodsArray.map((method) => [
          method.name,
          method.requestType,
          method.requestStream === true,
          method.responseType,
          method.responseStream === true,
        ])
      }
      if (item instanceof protobuf.Namespace || item instanceof protobuf.Type) visit(item)
    }
  }
  visit(root)
  return shapes
}

describe('the tables say what the .proto files say', () => {
  it.each([
    { table: DATAMSG, nameOf: (name: string) => name },
    { table: DATASYNC, nameOf: snake },
  ])('$table.file', ({ table, nameOf }) => {
    expect(shapeOf(rootOf(table, nameOf))).toEqual(shapeOf(parsed(table.file)))
  })

  it('what one writes, the other reads', () => {
    const type = parsed('datamsg.proto').lookupType('msg.DataChangeRequest')
    const request = { key: '/a', operationType: 1, content: Buffer.from('x'), content_type: 'c' }
    const decoded = type.decode(dataChangeRequest.encode(request as never)) as object
    expect({ ...decoded }).toEqual(request)
    expect({ ...dataChangeRequest.decode(type.encode(request).finish()) }).toEqual(request)
    const event = parsed('datasync_watch.proto').lookupType('rxdatasync.v1.WatchEvent')
    const pair = { key: 'é', value: Buffer.from('v'), revision: 2 ** 40, version: '7' }
    const sent = watchEvent.encode({ pairs: { pairs: [pair] } })
    expect(event.toObject(event.decode(sent), { longs: Number })).toEqual({
      pairs: { pairs: [pair] },
    })
  })
})

describe('the bytes are those of the Go library', () => {
  it('a change', () => {
    const request = { key: '/k', operationType: 1, content: Buffer.from('v'), content_type: 't' }
    expect(dataChangeRequest.encode(request as never).toString('hex')).toBe(
      '0a022f6b' + '1001' + '1a0176' + '220174',
    )
  })

  it('its reply: field numbers begin with 2', () => {
    const reply = { key: '/k', operationType: 1, result: 9 } as const
    expect(dataChangeReply.encode(reply).toString('hex')).toBe('12022f6b' + '1801' + '2009')
  })

  it('a resync and its replies', () => {
    const msgId = { originator: 'o', seqCreatedSec: 5, seq: 3 }
    const item = { key: '/k', content: Buffer.from('v'), content_type: 't' }
    expect(dataResyncRequests.encode({ msgId, dataResyncs: [item] }).toString('hex')).toBe(
      '0a07' + '0a016f' + '1005' + '2003' + '120a' + '0a022f6b' + '120176' + '1a0174',
    )
    const replies = {
      error: { message: 'e' },
      dataResyncs: { replies: [{ key: '/k', result: 9 }] },
    }
    expect(dataResyncReplies.encode(replies).toString('hex')).toBe(
      '1203' + '0a0165' + '1a08' + '0a06' + '12022f6b' + '1809',
    )
  })
})

describe('JSON', () => {
  it('as encoding/json of Go writes a generated struct', () => {
    const sent = '{"key":"/k","operationType":1,"content":"dg==","content_type":"application/json"}'
    expect({ ...dataChangeRequest.fromJson(Buffer.from(sent)) }).toEqual({
      key: '/k',
      operationType: 1,
      content: Buffer.from('v'),
      content_type: 'application/json',
    })
  })

  it('as protojson writes it: names of enums, lowerCamelCase, 64 bits as text', () => {
    const sent = '{"key":"/k","operationType":"DEL","contentType":"t"}'
    expect({ ...dataChangeRequest.fromJson(Buffer.from(sent)) }).toEqual({
      key: '/k',
      operationType: 1,
      content_type: 't',
    })
    const { msgId } = dataResyncRequests.fromJson(
      Buffer.from('{"msgId":{"seqCreatedSec":"1600000000"},"dataResyncs":null}'),
    )
    expect(Number(msgId?.seqCreatedSec)).toBe(1_600_000_000)
  })

  it('numbers for enums go out, which both of them read', () => {
    const reply = dataChangeReply.toJson({ key: '/k', operationType: 1, result: 0 }).toString()
    expect(JSON.parse(reply)).toEqual({ key: '/k', operationType: 1, result: 0 })
  })

  it.each([
    '[]',
    'null',
    '{"key":1}',
    '{"key":{}}',
    '{"operationType":"PUTT"}',
    '{"operationType":1.5}',
    '{"content":"**"}',
    '{"content":[1,2]}',
    '{"content":"Y"}',
    '{"content":"YQ="}',
    '{"content":"YWJjZ"}',
    '{"key"',
  ])('%s is no change', (text) => {
    expect(() => dataChangeRequest.fromJson(Buffer.from(text))).toThrow()
  })

  it.each(['YQ', 'YQ==', '_-8', '/+8=', ''])('%j is base64', (content) => {
    const { content: bytes } = dataChangeRequest.fromJson(Buffer.from(JSON.stringify({ content })))
    expect(Buffer.from(bytes)).toEqual(Buffer.from(content, 'base64'))
  })

  it.each(['-1', '1.5', '""', '"x"', '4294967296', 'true'])('%s is no sequence number', (seq) => {
    const text = `{"msgId":{"seq":${seq}}}`
    expect(() => dataResyncRequests.fromJson(Buffer.from(text))).toThrow('seq: must be')
  })

  it('keys of a JavaScript object are just keys', () => {
    const text = '{"__proto__":{"key":"/x"},"constructor":1,"key":"/k"}'
    expect(dataChangeRequest.fromJson(Buffer.from(text)).key).toBe('/k')
  })
})
