import type { Transport } from '../../api/transport.ts'
import { DefaultDataMsgClient } from './data-msg-client.ts'
import type { DataMsgClient } from './data-msg-client.ts'
import { GrpcTransport } from './grpc-transport.ts'
import { readOptions } from './options.ts'
import type { GrpcClientOptions, GrpcOptions } from './options.ts'

export type {
  DataChange,
  DataItem,
  DataMsgClient,
  DataResult,
  DataResyncsResult,
} from './data-msg-client.ts'
export type { GrpcClientOptions, GrpcOptions } from './options.ts'

/**
 * A transport over gRPC to an agent that another process serves (`rx-datasync/grpc/server`). Nothing is contacted before
 * `open`.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for an unknown option, a value out of range or a bad URL
 */
export function grpc(options: GrpcOptions = {}): Transport {
  return new GrpcTransport(readOptions(options))
}

/**
 * A client of the service of the Go library cn-infra (`msg.DataMsgService`), of our server or of another. Nothing is
 * contacted before the first call; a lost connection is dialled anew by the next one, nothing is sent twice.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for an unknown option, a value out of range or a bad URL
 */
export function dataMsgClient(options: GrpcClientOptions = {}): DataMsgClient {
  return new DefaultDataMsgClient(readOptions(options))
}
