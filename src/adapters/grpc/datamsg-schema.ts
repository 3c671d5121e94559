import type { Int64 } from './int64.ts'
import { messageCodec, rootOf } from './proto-table.ts'
import type { MessageCodec, ProtoTable } from './proto-table.ts'

/** Known operations; enums of protobuf are open, so others may come. */
export const PUT_DEL = { put: 0, delete: 1 } as const

export interface DataChangeRequest {
  readonly key: string
  /** Of {@link PUT_DEL}, or unknown. */
  readonly operationType: number
  readonly content: Uint8Array
  /** `application/json`: JSON of the key's model; else the value's bytes. */
  readonly content_type: string
}

export interface DataChangeReply {
  readonly key: string
  readonly operationType: number
  /** 0 = applied, or nobody watches the key; else a gRPC status code. */
  readonly result: number
}

export interface Seq {
  readonly originator?: string
  readonly seqCreatedSec?: Int64
  readonly seq?: number
}

export interface DataResyncRequest {
  readonly key: string
  readonly content: Uint8Array
  readonly content_type: string
}

export interface DataResyncRequests {
  readonly msgId?: Seq | null
  readonly dataResyncs: readonly DataResyncRequest[]
}

export interface DataResyncReply {
  readonly resyncId?: Seq | null
  readonly key: string
  readonly result: number
}

export interface DataResyncReplies {
  readonly msgId?: Seq | null
  readonly error?: { readonly message: string } | null
  readonly dataResyncs?: { readonly replies: readonly DataResyncReply[] } | null
}

export interface Ping {
  readonly message: string
}

/** `proto/datamsg.proto`: names and numbers are those of the Go library. */
export const DATAMSG: ProtoTable = {
  file: 'datamsg.proto',
  package: 'msg',
  service: 'DataMsgService',
  rpcs: {
    dataChanges: {
      request: 'DataChangeRequest',
      response: 'DataChangeReply',
      requestStream: true,
      responseStream: true,
    },
    dataResyncs: { request: 'DataResyncRequests', response: 'DataResyncReplies' },
    ping: { request: 'PingRequest', response: 'PingReply' },
  },
  enums: { PutDel: { PUT: PUT_DEL.put, DEL: PUT_DEL.delete } },
  messages: {
    DataMsgRequest: {
      msgId: ['Seq', 1],
      txn: ['Seq', 2],
      dataChanges: ['DataChangeRequest', 3, 'repeated'],
      dataResyncs: ['DataResyncRequest', 4, 'repeated'],
    },
    DataResyncRequests: { msgId: ['Seq', 1], dataResyncs: ['DataResyncRequest', 2, 'repeated'] },
    DataResyncReplies: {
      msgId: ['Seq', 1],
      error: ['Error', 2],
      dataResyncs: ['DataResyncsReplies', 3],
    },
    'DataResyncReplies.DataResyncsReplies': { replies: ['DataResyncReply', 1, 'repeated'] },
    DataMsgReply: {
      msgId: ['Seq', 1],
      error: ['Error', 2],
      dataChanges: ['DataChangesReplies', 3],
      dataResyncs: ['DataResyncsReplies', 4],
    },
    'DataMsgReply.DataChangesReplies': { replies: ['DataChangeReply', 1, 'repeated'] },
    'DataMsgReply.DataResyncsReplies': { replies: ['DataResyncReply', 1, 'repeated'] },
    DataChangeRequest: {
      key: ['string', 1],
      operationType: ['PutDel', 2],
      content: ['bytes', 3],
      content_type: ['string', 4],
    },
    DataChangeReply: { key: ['string', 2], operationType: ['PutDel', 3], result: ['uint32', 4] },
    DataResyncRequest: {
      key: ['string', 1],
      content: ['bytes', 2],
      content_type: ['string', 3],
    },
    DataResyncReply: { resyncId: ['Seq', 1], key: ['string', 2], result: ['uint32', 3] },
    ResyncNeededCallback: { msgId: ['Seq', 1], error: ['Error', 2] },
    Seq: { originator: ['string', 1], seqCreatedSec: ['int64', 2], seq: ['uint32', 4] },
    Error: { message: ['string', 1] },
    PingRequest: { message: ['string', 1] },
    PingReply: { message: ['string', 1] },
  },
}

const root = rootOf(DATAMSG)

function codec<T>(name: string): MessageCodec<T> {
  return messageCodec(root, `msg.${name}`)
}

export const dataChangeRequest: MessageCodec<DataChangeRequest> = codec('DataChangeRequest')
export const dataChangeReply: MessageCodec<DataChangeReply> = codec('DataChangeReply')
export const dataResyncRequests: MessageCodec<DataResyncRequests> = codec('DataResyncRequests')
export const dataResyncReplies: MessageCodec<DataResyncReplies> = codec('DataResyncReplies')
export const pingRequest: MessageCodec<Ping> = codec('PingRequest')
export const pingReply: MessageCodec<Ping> = codec('PingReply')

export const DATA_CHANGES_PATH = '/msg.DataMsgService/dataChanges'
export const DATA_RESYNCS_PATH = '/msg.DataMsgService/dataResyncs'
export const PING_PATH = '/msg.DataMsgService/ping'
