import type { Served } from '../../../api/served.ts'
import type { BatchFrames } from './batch-frames.ts'
import type { Contents } from './content.ts'
import type { Door } from './door.ts'
import type { GrpcServerSettings } from './options.ts'

/** What every call of a server shares. */
export interface Context {
  readonly settings: GrpcServerSettings
  readonly served: Served
  readonly door: Door
  readonly contents: Contents
  readonly frames: BatchFrames
  /** Ends the connection of a client that takes nothing: nothing that is sent would reach it. */
  readonly cut: (caller: { getPeer(): string }) => void
  /** Aborted when the server closes. */
  readonly closing: AbortSignal
}
