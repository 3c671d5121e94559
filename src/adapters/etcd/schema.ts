import protobuf from 'protobufjs/light.js'
import type { Type } from 'protobufjs/light.js'
import type { Codec, Method } from '../../grpc-link/link.ts'

export type { Codec, Method } from '../../grpc-link/link.ts'

/** A 64-bit number as protobufjs gives it. */
export type Int64 = number | { toNumber(): number; toString(radix?: number): string }

export interface Header {
  readonly clusterId: Int64
  readonly memberId: Int64
  readonly revision: Int64
}

/** Only what the transport reads is decoded. */
export interface KeyValue {
  readonly key: Uint8Array
  readonly modRevision: Int64
  /** The number of puts since the key was created, modulo 2^32: 1 for a new key. */
  readonly version: number
  readonly value: Uint8Array
}

export interface WatchEvent {
  /** 0 = put, 1 = delete. */
  readonly type: number
  readonly kv: KeyValue
}

export interface WatchResponse {
  readonly header: Header
  readonly created: boolean
  readonly canceled: boolean
  readonly compactRevision: Int64
  readonly cancelReason: string
  readonly fragment: boolean
  readonly events: readonly WatchEvent[]
}

export interface RangeRequest {
  readonly key: Uint8Array
  readonly rangeEnd?: Uint8Array
  readonly limit?: number
  readonly revision?: number
  readonly keysOnly?: boolean
  readonly countOnly?: boolean
}

export interface RangeResponse {
  readonly header: Header
  readonly kvs: readonly KeyValue[]
  readonly more: boolean
  readonly count: Int64
}

export interface PutRequest {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly lease?: Int64
}

export interface PutResponse {
  readonly header: Header
}

export interface DeleteRangeRequest {
  readonly key: Uint8Array
  readonly rangeEnd?: Uint8Array
}

export interface DeleteRangeResponse {
  readonly header: Header
  readonly deleted: Int64
}

export interface RequestOp {
  readonly requestRange?: RangeRequest
  readonly requestPut?: PutRequest
  readonly requestDeleteRange?: DeleteRangeRequest
}

export interface ResponseOp {
  readonly responseRange?: RangeResponse | null
  readonly responseDeleteRange?: DeleteRangeResponse | null
}

/** Equality is all that is asked for. */
export interface Compare {
  /** 2 = the mod revision. */
  readonly target: 2
  readonly key: Uint8Array
  readonly modRevision: number
}

export interface TxnRequest {
  readonly compare: readonly Compare[]
  readonly success: readonly RequestOp[]
  readonly failure: readonly RequestOp[]
}

export interface TxnResponse {
  readonly header: Header
  readonly succeeded: boolean
  readonly responses: readonly ResponseOp[]
}

export interface WatchRequest {
  readonly createRequest?: {
    readonly key: Uint8Array
    readonly rangeEnd: Uint8Array
    readonly startRevision: number
    readonly fragment: boolean
  }
  readonly progressRequest?: object
}

export interface LeaseGrantRequest {
  readonly TTL: number
}

export interface LeaseGrantResponse {
  readonly ID: Int64
  readonly TTL: Int64
}

export interface AuthenticateRequest {
  readonly name: string
  readonly password: string
}

export interface AuthenticateResponse {
  readonly token: string
}

export interface StatusResponse {
  readonly header: Header
  readonly version: string
  readonly dbSize: Int64
  /** 0 = none. */
  readonly leader: Int64
  /** Since 3.4. */
  readonly errors: readonly string[]
  readonly dbSizeInUse: Int64
  readonly isLearner: boolean
  /** Since 3.6. */
  readonly dbSizeQuota: Int64
}

export interface AlarmRequest {
  /** 0 = tell. */
  readonly action: number
}

export interface AlarmResponse {
  readonly alarms: readonly { readonly memberID: Int64; readonly alarm: number }[]
}

export interface MemberListResponse {
  readonly members: readonly {
    readonly ID: Int64
    readonly name: string
    readonly clientURLs: readonly string[]
    readonly isLearner: boolean
  }[]
}

type Field = readonly [type: string, id: number, rule?: 'repeated']

/** etcd's messages (etcdserverpb, mvccpb), as far as they are used; names of fields are ours, numbers are etcd's. */
const MESSAGES: Readonly<Record<string, Readonly<Record<string, Field>>>> = {
  Header: { clusterId: ['uint64', 1], memberId: ['uint64', 2], revision: ['int64', 3] },
  KeyValue: {
    key: ['bytes', 1],
    modRevision: ['int64', 3],
    // An int64 of which the lower half is enough.
    version: ['uint32', 4],
    value: ['bytes', 5],
  },
  Event: { type: ['uint32', 1], kv: ['KeyValue', 2] },
  RangeRequest: {
    key: ['bytes', 1],
    rangeEnd: ['bytes', 2],
    limit: ['int64', 3],
    revision: ['int64', 4],
    keysOnly: ['bool', 8],
    countOnly: ['bool', 9],
  },
  RangeResponse: {
    header: ['Header', 1],
    kvs: ['KeyValue', 2, 'repeated'],
    more: ['bool', 3],
    count: ['int64', 4],
  },
  PutRequest: { key: ['bytes', 1], value: ['bytes', 2], lease: ['int64', 3] },
  PutResponse: { header: ['Header', 1] },
  DeleteRangeRequest: { key: ['bytes', 1], rangeEnd: ['bytes', 2] },
  DeleteRangeResponse: { header: ['Header', 1], deleted: ['int64', 2] },
  RequestOp: {
    requestRange: ['RangeRequest', 1],
    requestPut: ['PutRequest', 2],
    requestDeleteRange: ['DeleteRangeRequest', 3],
  },
  ResponseOp: {
    responseRange: ['RangeResponse', 1],
    responseDeleteRange: ['DeleteRangeResponse', 3],
  },
  Compare: { target: ['uint32', 2], key: ['bytes', 3], modRevision: ['int64', 6] },
  TxnRequest: {
    compare: ['Compare', 1, 'repeated'],
    success: ['RequestOp', 2, 'repeated'],
    failure: ['RequestOp', 3, 'repeated'],
  },
  TxnResponse: {
    header: ['Header', 1],
    succeeded: ['bool', 2],
    responses: ['ResponseOp', 3, 'repeated'],
  },
  WatchCreateRequest: {
    key: ['bytes', 1],
    rangeEnd: ['bytes', 2],
    startRevision: ['int64', 3],
    fragment: ['bool', 8],
  },
  Empty: {},
  WatchRequest: { createRequest: ['WatchCreateRequest', 1], progressRequest: ['Empty', 3] },
  WatchResponse: {
    header: ['Header', 1],
    created: ['bool', 3],
    canceled: ['bool', 4],
    compactRevision: ['int64', 5],
    cancelReason: ['string', 6],
    fragment: ['bool', 7],
    events: ['Event', 11, 'repeated'],
  },
  LeaseGrantRequest: { TTL: ['int64', 1] },
  LeaseGrantResponse: { ID: ['int64', 2], TTL: ['int64', 3] },
  AuthenticateRequest: { name: ['string', 1], password: ['string', 2] },
  AuthenticateResponse: { token: ['string', 2] },
  StatusResponse: {
    header: ['Header', 1],
    version: ['string', 2],
    dbSize: ['int64', 3],
    leader: ['uint64', 4],
    errors: ['string', 8, 'repeated'],
    dbSizeInUse: ['int64', 9],
    isLearner: ['bool', 10],
    dbSizeQuota: ['int64', 12],
  },
  AlarmRequest: { action: ['uint32', 1] },
  AlarmMember: { memberID: ['uint64', 1], alarm: ['uint32', 2] },
  AlarmResponse: { alarms: ['AlarmMember', 2, 'repeated'] },
  Member: {
    ID: ['uint64', 1],
    name: ['string', 2],
    clientURLs: ['string', 4, 'repeated'],
    isLearner: ['bool', 5],
  },
  MemberListResponse: { members: ['Member', 2, 'repeated'] },
}

const root = protobuf.Root.fromJSON({
  nested: Object.fromEntries(
    Object.entries(MESSAGES).map(([name, fields]) => [
      name,
      {
        fields: Object.fromEntries(
          Object.entries(fields).map(([field, [type, id, rule]]) => [
            field,
            rule === undefined ? { type, id } : { type, id, rule },
          ]),
        ),
      },
    ]),
  ),
})

function codec<T>(name: string): Codec<T> {
  const type: Type = root.lookupType(name)
  return {
    encode: (message) => type.encode(message as object).finish() as Buffer,
    decode: (bytes) => type.decode(bytes) as unknown as T,
  }
}

function method<Request, Response>(
  path: string,
  request: string,
  response: string,
): Method<Request, Response> {
  return { path: `/etcdserverpb.${path}`, request: codec(request), response: codec(response) }
}

export const watchRequest: Codec<WatchRequest> = codec('WatchRequest')
export const watchResponse: Codec<WatchResponse> = codec('WatchResponse')
export const WATCH_PATH = '/etcdserverpb.Watch/Watch'

export const rangeMethod: Method<RangeRequest, RangeResponse> = method(
  'KV/Range',
  'RangeRequest',
  'RangeResponse',
)
export const putMethod: Method<PutRequest, PutResponse> = method(
  'KV/Put',
  'PutRequest',
  'PutResponse',
)
export const deleteRangeMethod: Method<DeleteRangeRequest, DeleteRangeResponse> = method(
  'KV/DeleteRange',
  'DeleteRangeRequest',
  'DeleteRangeResponse',
)
export const txnMethod: Method<TxnRequest, TxnResponse> = method(
  'KV/Txn',
  'TxnRequest',
  'TxnResponse',
)
export const leaseGrantMethod: Method<LeaseGrantRequest, LeaseGrantResponse> = method(
  'Lease/LeaseGrant',
  'LeaseGrantRequest',
  'LeaseGrantResponse',
)
export const authenticateMethod: Method<AuthenticateRequest, AuthenticateResponse> = method(
  'Auth/Authenticate',
  'AuthenticateRequest',
  'AuthenticateResponse',
)
export const statusMethod: Method<object, StatusResponse> = method(
  'Maintenance/Status',
  'Empty',
  'StatusResponse',
)
export const alarmMethod: Method<AlarmRequest, AlarmResponse> = method(
  'Maintenance/Alarm',
  'AlarmRequest',
  'AlarmResponse',
)
export const memberListMethod: Method<object, MemberListResponse> = method(
  'Cluster/MemberList',
  'Empty',
  'MemberListResponse',
)

/** Revisions and counts stay far below 2^53. */
export function numberOf(value: Int64): number {
  return typeof value === 'number' ? value : value.toNumber()
}

/** An identity: all 64 bits count. */
export function idOf(value: Int64): string {
  return value.toString(16)
}
