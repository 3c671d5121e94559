import type { Servable } from '../../../api/served.ts'
import { assertServable } from '../../../serving/option-checks.ts'
import { RunningServer } from './grpc-server.ts'
import type { GrpcServer } from './grpc-server.ts'
import { readOptions } from './options.ts'
import type { GrpcServerOptions } from './options.ts'

export type { GrpcServer } from './grpc-server.ts'
export type { GrpcServerOptions, GrpcServerTls } from './options.ts'
export type { Grant } from '../../../serving/access.ts'
export type { ServingLimits } from '../../../serving/limits.ts'

/**
 * Serves an agent to other processes over gRPC: the service of the Go library cn-infra, and one with reads, conditional
 * writes and a watch that resumes (datasync.md §5). It may be called before the agent starts, and closes with it.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`), also for an address that other machines reach without `access`;
 * InvalidKeyError (`SYNC_INVALID_KEY`); Error of `node:net`, such as EADDRINUSE
 */
export async function serveGrpc(
  agent: Servable,
  options: GrpcServerOptions = {},
): Promise<GrpcServer> {
  assertServable(agent)
  const settings = readOptions(options)
  const server = new RunningServer(settings, agent.served(settings.served))
  await server.listen()
  return server
}
