import type { Method } from '../../grpc-link/link.ts'
import type { Failure } from '../../kit/failure.ts'
import type { Int64 } from './int64.ts'
import { messageCodec, rootOf } from './proto-table.ts'
import type { MessageCodec, ProtoTable } from './proto-table.ts'

export interface WireCapabilities {
  readonly resumable: boolean
  readonly storeRevisions: boolean
  readonly ttl: boolean
  readonly conditionalPut: boolean
  readonly transactions: boolean
  readonly prefixDelete: boolean
  readonly waitForApplied: boolean
  readonly ordered: boolean
  readonly watchable: boolean
  /** 0 = no limit. */
  readonly maxValueBytes: Int64
  readonly maxKeyBytes: number
}

export interface InfoReply {
  readonly transport: string
  readonly capabilities: WireCapabilities | null
  readonly readable: readonly string[]
  readonly writable: readonly string[]
  readonly maxMessageBytes: number
}

export interface WatchRequest {
  readonly prefixes: readonly string[]
  /** Empty: from the beginning. */
  readonly position: string
  readonly heartbeatMs: number
}

export interface WirePair {
  readonly key: string
  readonly value: Uint8Array
  readonly revision: Int64
  readonly version: string
}

export interface WireChange {
  readonly put?: WirePair | null
  readonly deletedKey?: string
  readonly revision?: Int64
}

/** One of its fields is set. Empty positions are none. */
export interface WatchEvent {
  readonly begin?: { readonly heartbeatMs: number } | null
  readonly pairs?: { readonly pairs: readonly WirePair[] } | null
  readonly listed?: { readonly position: string } | null
  readonly changes?: {
    readonly changes: readonly WireChange[]
    readonly position: string
    readonly more: boolean
  } | null
  readonly progress?: { readonly position: string } | null
  readonly reset?: { readonly reason: string } | null
  /** The server lives; nothing is said of the stream. */
  readonly heartbeat?: object | null
}

export interface WireOp {
  readonly put?: {
    readonly key: string
    readonly value: Uint8Array
    /** 0 = for ever. */
    readonly ttlMs?: number
    readonly ifVersion?: string | null
    readonly ifAbsent?: boolean
  } | null
  readonly delete?: { readonly key: string; readonly ifVersion?: string | null } | null
  readonly deletePrefix?: { readonly prefix: string } | null
}

/** As the enum `Wait`. */
export const WAIT = { default: 0, stored: 1, applied: 2 } as const

export interface CommitRequest {
  readonly ops: readonly WireOp[]
  readonly wait: number
  readonly timeoutMs: number
}

export interface CommitReply {
  readonly versions: readonly string[]
  readonly deleted?: Int64 | null
  readonly receivers?: number | null
}

/** `proto/datasync_watch.proto`; fields are named there as `if_version`. */
export const DATASYNC: ProtoTable = {
  file: 'datasync_watch.proto',
  package: 'rxdatasync.v1',
  service: 'DataSync',
  rpcs: {
    Info: { request: 'InfoRequest', response: 'InfoReply' },
    Watch: { request: 'WatchRequest', response: 'WatchEvent', responseStream: true },
    Get: { request: 'GetRequest', response: 'Pairs', responseStream: true },
    List: { request: 'ListRequest', response: 'Pairs', responseStream: true },
    Commit: { request: 'CommitRequest', response: 'CommitReply' },
  },
  enums: { Wait: { DEFAULT: 0, STORED: 1, APPLIED: 2 } },
  messages: {
    InfoRequest: {},
    InfoReply: {
      transport: ['string', 1],
      capabilities: ['Capabilities', 2],
      readable: ['string', 3, 'repeated'],
      writable: ['string', 4, 'repeated'],
      maxMessageBytes: ['uint32', 5],
    },
    Capabilities: {
      resumable: ['bool', 1],
      storeRevisions: ['bool', 2],
      ttl: ['bool', 3],
      conditionalPut: ['bool', 4],
      transactions: ['bool', 5],
      prefixDelete: ['bool', 6],
      waitForApplied: ['bool', 7],
      ordered: ['bool', 8],
      watchable: ['bool', 9],
      maxValueBytes: ['uint64', 10],
      maxKeyBytes: ['uint32', 11],
    },
    WatchRequest: {
      prefixes: ['string', 1, 'repeated'],
      position: ['string', 2],
      heartbeatMs: ['uint32', 3],
    },
    WatchEvent: {
      begin: ['Begin', 1],
      pairs: ['Pairs', 2],
      listed: ['Listed', 3],
      changes: ['Changes', 4],
      progress: ['Progress', 5],
      reset: ['Reset', 6],
      heartbeat: ['Heartbeat', 7],
    },
    Begin: { heartbeatMs: ['uint32', 1] },
    Pair: {
      key: ['string', 1],
      value: ['bytes', 2],
      revision: ['int64', 3],
      version: ['string', 4],
    },
    Pairs: { pairs: ['Pair', 1, 'repeated'] },
    Listed: { position: ['string', 1] },
    Change: { put: ['Pair', 1], deletedKey: ['string', 2], revision: ['int64', 3] },
    Changes: { changes: ['Change', 1, 'repeated'], position: ['string', 2], more: ['bool', 3] },
    Heartbeat: {},
    Progress: { position: ['string', 1] },
    Reset: { reason: ['string', 1] },
    GetRequest: { keys: ['string', 1, 'repeated'] },
    ListRequest: { prefix: ['string', 1] },
    Op: { put: ['Put', 1], delete: ['Delete', 2], deletePrefix: ['DeletePrefix', 3] },
    Put: {
      key: ['string', 1],
      value: ['bytes', 2],
      ttlMs: ['double', 3],
      ifVersion: ['string', 4, 'optional'],
      ifAbsent: ['bool', 5],
    },
    Delete: { key: ['string', 1], ifVersion: ['string', 2, 'optional'] },
    DeletePrefix: { prefix: ['string', 1] },
    CommitRequest: { ops: ['Op', 1, 'repeated'], wait: ['Wait', 2], timeoutMs: ['double', 3] },
    CommitReply: {
      versions: ['string', 1, 'repeated'],
      deleted: ['uint64', 2, 'optional'],
      receivers: ['uint32', 3, 'optional'],
    },
    Failure: {
      code: ['string', 1],
      outcome: ['string', 2, 'optional'],
      retryable: ['bool', 3],
      message: ['string', 4],
      key: ['string', 5, 'optional'],
      option: ['string', 6, 'optional'],
      expected: ['string', 7, 'optional'],
      actual: ['string', 8, 'optional'],
      refusals: ['Refusal', 9, 'repeated'],
      parts: ['Part', 10, 'repeated'],
      size: ['double', 11, 'optional'],
      limit: ['double', 12, 'optional'],
      timeoutMs: ['double', 13, 'optional'],
    },
    Refusal: { registration: ['string', 1], error: ['string', 2], code: ['string', 3, 'optional'] },
    Part: { part: ['string', 1], outcome: ['string', 2] },
  },
}

/** google.rpc.Status, as far as it is used here. */
const STATUS: ProtoTable = {
  file: 'google/rpc/status.proto',
  package: 'google.rpc',
  service: 'None',
  rpcs: {},
  enums: {},
  messages: {
    Status: { code: ['int32', 1], message: ['string', 2], details: ['Any', 3, 'repeated'] },
    Any: { typeUrl: ['string', 1], value: ['bytes', 2] },
  },
}

export interface RpcStatus {
  readonly code: number
  readonly message: string
  readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[]
}

const root = rootOf(DATASYNC)

function codec<T>(name: string): MessageCodec<T> {
  return messageCodec(root, `rxdatasync.v1.${name}`)
}

export const infoRequest: MessageCodec<object> = codec('InfoRequest')
export const infoReply: MessageCodec<InfoReply> = codec('InfoReply')
export const watchRequest: MessageCodec<WatchRequest> = codec('WatchRequest')
export const watchEvent: MessageCodec<WatchEvent> = codec('WatchEvent')
export const pairsMessage: MessageCodec<{ readonly pairs: readonly WirePair[] }> = codec('Pairs')
export const getRequest: MessageCodec<{ readonly keys: readonly string[] }> = codec('GetRequest')
export const listRequest: MessageCodec<{ readonly prefix: string }> = codec('ListRequest')
export const commitRequest: MessageCodec<CommitRequest> = codec('CommitRequest')
export const commitReply: MessageCodec<CommitReply> = codec('CommitReply')
export const failureMessage: MessageCodec<Failure> = codec('Failure')
export const rpcStatus: MessageCodec<RpcStatus> = messageCodec(rootOf(STATUS), 'google.rpc.Status')

export const FAILURE_URL = 'type.googleapis.com/rxdatasync.v1.Failure'
/** Where gRPC's tools look for a google.rpc.Status. */
export const STATUS_KEY = 'grpc-status-details-bin'

export const INFO_PATH = '/rxdatasync.v1.DataSync/Info'
export const WATCH_PATH = '/rxdatasync.v1.DataSync/Watch'
export const GET_PATH = '/rxdatasync.v1.DataSync/Get'
export const LIST_PATH = '/rxdatasync.v1.DataSync/List'
export const COMMIT_PATH = '/rxdatasync.v1.DataSync/Commit'

export const infoMethod: Method<object, InfoReply> = {
  path: INFO_PATH,
  request: infoRequest,
  response: infoReply,
}
export const commitMethod: Method<CommitRequest, CommitReply> = {
  path: COMMIT_PATH,
  request: commitRequest,
  response: commitReply,
}
