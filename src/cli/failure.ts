import { inspect } from 'node:util'
import { describeError, InvalidOptionError, isAbortError, isSyncError } from '../api/errors.ts'
import type { SyncErrorCode } from '../api/errors.ts'
import { UsageError } from './exit-codes.ts'
import type { Notes } from './notes.ts'
import { printable } from '../kit/printable.ts'

/** What a user can do about an error, where its message does not say it. */
const HINTS: Readonly<Record<SyncErrorCode, string | undefined>> = {
  SYNC_INVALID_KEY: "keys are 1 to 1 024 bytes of UTF-8; a prefix may be empty: ''",
  SYNC_INVALID_OPTION: undefined, // by option, see OPTION_HINTS
  SYNC_UNSUPPORTED_OPTION: undefined,
  SYNC_VERSION_CONFLICT: 'somebody else wrote it; `datasync get` shows the present version',
  SYNC_UNAVAILABLE: '`datasync doctor <url>` says what is wrong',
  SYNC_ACCESS_DENIED:
    'check user, password or token (in a URL @ : / are %40 %3A %2F) and, for TLS, the certificates; `datasync doctor <url>` names the right that is missing',
  SYNC_NOTIFICATIONS_DISABLED:
    'run `redis-cli config set notify-keyspace-events KA` as administrator; if it is set and only CONFIG is refused: --set assumeNotifications=true',
  SYNC_STORE_LOCKED: 'beside the process that holds it, get and ls work; watch, put and del do not',
  SYNC_STORE_CORRUPT: 'restore the folder from a backup, or give another one',
  SYNC_TIMEOUT: 'give it more time with --timeout',
  SYNC_ALREADY_REGISTERED: undefined,
  SYNC_NOT_REGISTERED: undefined,
  SYNC_ALREADY_STARTED: undefined,
  SYNC_DECODE:
    'is --type the type that was written? Without --type the bytes are shown as they are',
  SYNC_REFUSED: undefined,
  SYNC_PARTIAL_WRITE: undefined,
  SYNC_CLOSED: undefined,
  SYNC_OVERFLOW: undefined,
  SYNC_PAYLOAD_TOO_LARGE:
    'it is set by maxValueBytes for redis, kafka and lmdb, by maxRequestBytes for etcd (--set), and by an agent for its clients (`datasync serve --limit maxBodyBytes=…`)',
  SYNC_PLUGIN_FAILED: undefined,
  SYNC_BUG: 'please report it with what --verbose prints',
}

/** The same for options that the URL and the command's own options become. */
const OPTION_HINTS: Readonly<Record<string, string | undefined>> = {
  url: '`datasync --help` shows how URLs are written',
  path: 'is the path right? `datasync put` makes a store',
  cluster: 'redis:// is for a server on its own, redis+cluster:// for a cluster',
  'options.db': 'the number behind the last / of the URL is the database',
  'options.password': 'a password without a user stands behind a colon: //:password@host',
  ttlMs: '--ttl is the time to live',
  ifAbsent: 'give --if-absent or --if-version',
  host: '--access <file> says who may do what; `datasync help serve` shows one',
  access: '`datasync help serve` shows an access file',
  limits: '--limit takes them; docs/adapters/rest.md says what each is',
  tls: 'certificate and key are PEM files that belong together: --serve-cert and --serve-key, or --tls-cert and --tls-key',
}

/** The same for errors of Node's own. */
const SYSTEM_HINTS: Readonly<Record<string, string | undefined>> = {
  EADDRINUSE: 'another program listens there; give another port, or :0 for any free one',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'ports below 1024 need rights that this user does not have',
}

/** Tells on stderr what a command failed with: one line, a hint, and with `verbose` all that is known. */
export function reportFailure(error: unknown, notes: Notes, verbose: boolean): void {
  const { red, dim, bold } = notes.colors
  notes.line(`${red(bold(`error[${labelOf(error)}]`))}: ${printable(describeError(error))}`)
  const cause = causeOf(error)
  if (cause !== undefined && !describeError(error).includes(cause)) {
    notes.line(dim(`cause: ${printable(cause.trim())}`))
  }
  const hint = hintOf(error)
  if (hint !== undefined) notes.line(`hint: ${hint}`)
  if (verbose) notes.line(dim(inspect(error, { depth: 6 })))
}

/** `SYNC_…`, `USAGE`, or what Node calls it. */
function labelOf(error: unknown): string {
  if (error instanceof UsageError) return 'USAGE'
  if (isSyncError(error)) return error.code
  if (isAbortError(error)) return 'ABORTED'
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return 'UNEXPECTED'
}

function hintOf(error: unknown): string | undefined {
  if (error instanceof UsageError) return error.hint
  if (!isSyncError(error)) return isListening(error) ? SYSTEM_HINTS[labelOf(error)] : undefined
  if (!(error instanceof InvalidOptionError)) return HINTS[error.code]
  const { option } = error
  // `access[1].token` is of `access`.
  const known = [option, option.replace(/[.[].*$/su, '')].find((name) =>
    Object.hasOwn(OPTION_HINTS, name),
  )
  return known === undefined
    ? "--set takes the options of the store's adapter; docs/adapters has them"
    : OPTION_HINTS[known]
}

function isListening(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && error.syscall === 'listen'
}

/** The reason at the bottom. */
function causeOf(error: unknown): string | undefined {
  let cause = error instanceof Error ? error.cause : undefined
  while (cause instanceof Error && cause.cause instanceof Error) cause = cause.cause
  return cause === undefined ? undefined : describeError(cause)
}
