import type { Transport } from '../../api/transport.ts'
import { GrpcTransport } from './grpc-transport.ts'
import { readOptions } from './options.ts'
import type { GrpcOptions } from './options.ts'

export type { GrpcClientOptions, GrpcOptions } from './options.ts'

/**
 * A transport over gRPC to an agent that another process serves (`rx-datasync/grpc/server`). Nothing is contacted before
 * `open`.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for an unknown option, a value out of range or a bad URL
 */
export function grpc(options: GrpcOptions = {}): Transport {
  return new GrpcTransport(readOptions(options))
}
