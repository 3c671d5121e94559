import { isSyncError } from '../api/errors.ts'
import type { SyncErrorCode } from '../api/errors.ts'

/** What the command's exit code says; part of the contract (docs/cli.md). */
export const EXIT = {
  ok: 0,
  /** Something failed that no other code names. */
  failed: 1,
  /** The command line is wrong, or asks for what the store cannot do. */
  usage: 2,
  /** The key does not exist. */
  notFound: 3,
  /** `--if-version` or `--if-absent` did not hold. */
  conflict: 4,
  /** The server or store cannot be reached, is in use, or refuses us. */
  unavailable: 5,
  /** `--timeout`, or the time for a write, is over. */
  timeout: 6,
  /** Ctrl-C in a command that was not done; 128 + SIGINT, as shells count. */
  interrupted: 130,
  /** The same for SIGTERM. */
  terminated: 143,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** The lines of `datasync --help` about exit codes. */
export const EXIT_HELP = `Exit codes:
  0  done             2  wrong command line    4  version conflict       6  time is over
  1  failed           3  no such key           5  unreachable, in use or access refused
  130, 143  Ctrl-C or SIGTERM before the end; what goes on until then ends with 0`

/** The command line is wrong; `hint` says what would be right. */
export class UsageError extends Error {
  readonly hint: string | undefined

  constructor(message: string, options: ErrorOptions & { readonly hint?: string } = {}) {
    super(message, options)
    this.name = 'UsageError'
    this.hint = options.hint
  }
}

/** The code for what a command failed with. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof UsageError) return EXIT.usage
  return isSyncError(error) ? exitCodeOfCode(error.code) : EXIT.failed
}

/** The code for an error code of ours. */
export function exitCodeOfCode(code: SyncErrorCode): ExitCode {
  switch (code) {
    case 'SYNC_INVALID_KEY':
    case 'SYNC_INVALID_OPTION':
    case 'SYNC_UNSUPPORTED_OPTION':
      return EXIT.usage
    case 'SYNC_VERSION_CONFLICT':
      return EXIT.conflict
    case 'SYNC_UNAVAILABLE':
    case 'SYNC_ACCESS_DENIED':
    case 'SYNC_NOTIFICATIONS_DISABLED':
    case 'SYNC_STORE_LOCKED':
      return EXIT.unavailable
    case 'SYNC_TIMEOUT':
      return EXIT.timeout
    case 'SYNC_ALREADY_REGISTERED':
    case 'SYNC_NOT_REGISTERED':
    case 'SYNC_ALREADY_STARTED':
    case 'SYNC_DECODE':
    case 'SYNC_REFUSED':
    case 'SYNC_PARTIAL_WRITE':
    case 'SYNC_STORE_CORRUPT':
    case 'SYNC_CLOSED':
    case 'SYNC_OVERFLOW':
    case 'SYNC_PAYLOAD_TOO_LARGE':
    case 'SYNC_PLUGIN_FAILED':
    case 'SYNC_BUG':
      return EXIT.failed
  }
}
