import { InvalidOptionError } from '../../../api/errors.ts'
import { MAX_MS } from '../../../api/options.ts'
import type { CommitOptions, CommitResult } from '../../../api/transport.ts'
import type { WireWritten } from '../protocol.ts'
import type { Query } from './query.ts'

const DEFAULT_TIMEOUT_MS = 10_000

/** What a write waits for: `?wait=`, `?timeoutMs=`. `applied` is the default where it can be had (datasync.md §5). */
export interface WriteWait {
  readonly options: CommitOptions
  /** The client said `wait=false`: the answer is 202. */
  readonly unawaited: boolean
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function waitOf(query: Query, canApply: boolean, maxWaitMs: number): WriteWait {
  const wait = query.flag('wait')
  const asked = query.integer('timeoutMs', 1, MAX_MS) ?? DEFAULT_TIMEOUT_MS
  // Who would wait longer hears sooner that it is stored, and nothing is refused for it.
  const timeoutMs = Math.min(asked, maxWaitMs)
  return {
    options: { waitFor: (wait ?? canApply) ? 'applied' : 'stored', timeoutMs },
    unawaited: wait === false,
  }
}

/** The answer to a write that was carried out. */
export function writtenBody({ options }: WriteWait, result: CommitResult): WireWritten {
  const { deleted, receivers } = result
  return {
    outcome: options.waitFor,
    ...(deleted === undefined ? {} : { deleted }),
    ...(receivers === undefined ? {} : { receivers }),
  }
}

export function writtenHeaders({ receivers }: CommitResult): Record<string, string> {
  return receivers === undefined ? {} : { 'datasync-receivers': String(receivers) }
}

/** The ops of one request: each key once. @throws InvalidOptionError */
export function assertSingle(keys: readonly string[]): string {
  const [key, ...more] = keys
  if (key === undefined) throw new InvalidOptionError('key', 'is missing')
  if (more.length > 0) throw new InvalidOptionError('key', 'is given twice')
  return key
}
