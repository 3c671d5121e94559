import type { Cancellation } from '../../kit/call.ts'
import type { CommandLine, Connection, Reply } from './connection.ts'
import type { KeyReader } from './key-reader.ts'
import type { SlotMap } from './slot-map.ts'

/** How far a write has come. */
export interface WriteProgress {
  /** It was sent, and no answer has said yet that it was not applied. */
  sent: boolean
}

/** All servers that hold keys. */
export interface Primaries {
  /** By node id. */
  readonly connections: ReadonlyMap<string, Connection>
  /** Undefined without a cluster. */
  readonly slots: SlotMap | undefined
  readonly read: KeyReader
}

/** Reads and writes apart from streams: one server, or a cluster. Nothing is ever sent twice unless it was refused. */
export interface Commands {
  /**
   * Sends a command to the server that owns the keys, which are of one slot.
   * @throws ReplyError, TransportUnavailableError (`outcome`), AccessDeniedError, why the call was ended
   */
  send(
    keys: readonly string[],
    command: CommandLine,
    call: Cancellation,
    progress?: WriteProgress,
  ): Promise<Reply>
  /** Values in the order of the keys; null where there is no string. */
  get(keys: readonly string[], call: Cancellation): Promise<readonly (Buffer | null)[]>
  primaries(signal: AbortSignal): Promise<Primaries>
  /** Idempotent. */
  close(): Promise<void>
}
