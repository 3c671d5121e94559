import type { SyncErrorCode } from './errors.ts'

/** What an adapter's `diagnose` found out about one property of a server or store. */
export interface Finding {
  /** `ok`; `warn`: works, but something may surprise; `error`: watch, read or write fail. */
  readonly level: 'ok' | 'warn' | 'error'
  /** What was looked at, in a few words; the same words for the same check. */
  readonly check: string
  /** What was found. */
  readonly detail: string
  /** What to do about it, as a command or setting where there is one. */
  readonly fix?: string
  /** With `error`: the code that watch, read or write fail with. */
  readonly code?: SyncErrorCode
}
