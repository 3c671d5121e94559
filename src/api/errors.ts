/** Every code that this package's errors carry; each has a heading in docs/errors.md. */
export type SyncErrorCode =
  | 'SYNC_INVALID_KEY'
  | 'SYNC_INVALID_OPTION'
  | 'SYNC_ALREADY_REGISTERED'
  | 'SYNC_NOT_REGISTERED'
  | 'SYNC_ALREADY_STARTED'
  | 'SYNC_DECODE'
  | 'SYNC_VERSION_CONFLICT'
  | 'SYNC_REFUSED'
  | 'SYNC_PARTIAL_WRITE'
  | 'SYNC_UNSUPPORTED_OPTION'
  | 'SYNC_UNAVAILABLE'
  | 'SYNC_ACCESS_DENIED'
  | 'SYNC_NOTIFICATIONS_DISABLED'
  | 'SYNC_STORE_LOCKED'
  | 'SYNC_STORE_CORRUPT'
  | 'SYNC_CLOSED'
  | 'SYNC_TIMEOUT'
  | 'SYNC_OVERFLOW'
  | 'SYNC_PAYLOAD_TOO_LARGE'
  | 'SYNC_PLUGIN_FAILED'
  | 'SYNC_BUG'

/** What became of a write whose caller got an error. */
export type WriteOutcome = 'not-applied' | 'stored' | 'unknown'

export interface SyncErrorOptions extends ErrorOptions {
  /** True when the same call may succeed later without a change by the caller. */
  retryable?: boolean
}

/** The base of all errors of this package. Branch on `code`, never on `message`. */
export class SyncError extends Error {
  readonly code: SyncErrorCode
  readonly retryable: boolean

  constructor(code: SyncErrorCode, message: string, options: SyncErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = code
    this.retryable = options.retryable ?? false
  }
}

/** True for every error of this package, from any copy of it; with `code`, only for that one. Total. */
export function isSyncError(error: unknown, code?: SyncErrorCode): error is SyncError {
  if (!(error instanceof Error) || !('code' in error)) return false
  const own = error.code
  return typeof own === 'string' && own.startsWith('SYNC_') && (code === undefined || own === code)
}

/** A key or prefix breaks the rules of datasync.md §1: 1 to 1 024 bytes of well-formed Unicode. */
export class InvalidKeyError extends SyncError {
  readonly key: string
  constructor(key: string, problem: string) {
    super('SYNC_INVALID_KEY', `invalid key ${quote(key)}: ${problem}`)
    this.key = key
  }
}

/** An option is unknown, of the wrong type or out of range; `option` names it. */
export class InvalidOptionError extends SyncError {
  readonly option: string
  constructor(option: string, problem: string, options?: SyncErrorOptions) {
    super('SYNC_INVALID_OPTION', `option ${option}: ${problem}`, options)
    this.option = option
  }
}

/** A name is registered twice (§7); it is free again once the first is closed. */
export class AlreadyRegisteredError extends SyncError {
  readonly registration: string
  constructor(registration: string) {
    super('SYNC_ALREADY_REGISTERED', `${quote(registration)} is registered already; close it first`)
    this.registration = registration
  }
}

/** A name that nobody registered was passed to `resync` or `reportError`. */
export class NotRegisteredError extends SyncError {
  readonly registration: string
  constructor(registration: string, known: readonly string[]) {
    const names = known.length === 0 ? 'nothing is registered' : `registered: ${known.join(', ')}`
    super('SYNC_NOT_REGISTERED', `${quote(registration)} is not registered (${names})`)
    this.registration = registration
  }
}

/** `start` was called a second time. */
export class AlreadyStartedError extends SyncError {
  constructor() {
    super('SYNC_ALREADY_STARTED', 'the agent was started already; make a new one to start again')
  }
}

/** `getValue` could not decode the bytes; the stream goes on. */
export class DecodeError extends SyncError {
  readonly key: string
  readonly type: string
  constructor(key: string, type: string, options?: SyncErrorOptions) {
    super('SYNC_DECODE', `value of ${quote(key)} is not a valid ${type}`, options)
    this.key = key
    this.type = type
  }
}

/** A condition (`ifVersion`, `ifAbsent`) did not hold; nothing was written. */
export class VersionConflictError extends SyncError {
  readonly key: string
  /** The version asked for; undefined = the key was to be absent. */
  readonly expected: string | undefined
  /** The version found; undefined = the key is absent, or the store did not tell. */
  readonly actual: string | undefined
  constructor(key: string, expected: string | undefined, actual: string | undefined) {
    super(
      'SYNC_VERSION_CONFLICT',
      `${quote(key)} ${actual === undefined ? 'is absent' : `is at version ${actual}`}, expected ${expected ?? 'no such key'}`,
    )
    this.key = key
    this.expected = expected
    this.actual = actual
  }
}

/** One receiver's word against an event. */
export interface Refusal {
  readonly registration: string
  readonly cause: unknown
}

/** `waitFor: 'applied'`: receivers refused the change; the value stays stored. */
export class RefusedError extends SyncError {
  readonly refusals: readonly Refusal[]
  constructor(refusals: readonly Refusal[]) {
    const list = refusals.map((r) => `${r.registration} (${describeError(r.cause)})`).join(', ')
    super('SYNC_REFUSED', `stored, but refused by ${list}`, { cause: refusals[0]?.cause })
    this.refusals = refusals
  }
}

/** What one part of a composite did with a write. */
export interface PartOutcome {
  readonly part: string
  readonly outcome: WriteOutcome
  readonly error?: unknown
}

/** A composite's write reached some parts only; `parts` says which. */
export class PartialWriteError extends SyncError {
  readonly parts: readonly PartOutcome[]
  constructor(parts: readonly PartOutcome[]) {
    const list = parts.map((p) => `${p.part}: ${p.outcome}`).join(', ')
    super('SYNC_PARTIAL_WRITE', `written to some parts only (${list})`, {
      cause: parts.find((p) => p.error !== undefined)?.error,
      retryable: true,
    })
    this.parts = parts
  }
}

/** The transport cannot do what the option asks; `option` names it. Nothing was written. */
export class UnsupportedOptionError extends SyncError {
  readonly option: string
  readonly transport: string
  constructor(option: string, transport: string, why?: string) {
    super(
      'SYNC_UNSUPPORTED_OPTION',
      `${option} is not supported by ${transport}${why === undefined ? '' : `: ${why}`}`,
    )
    this.option = option
    this.transport = transport
  }
}

/** The server cannot be reached, or the link broke; `outcome` says what became of a write. */
export class TransportUnavailableError extends SyncError {
  readonly transport: string
  readonly outcome: WriteOutcome
  constructor(
    transport: string,
    problem: string,
    options: SyncErrorOptions & { outcome?: WriteOutcome } = {},
  ) {
    super('SYNC_UNAVAILABLE', `${transport}: ${problem}`, { retryable: true, ...options })
    this.transport = transport
    this.outcome = options.outcome ?? 'not-applied'
  }
}

/** The server refuses the credentials, the certificate or the operation. */
export class AccessDeniedError extends SyncError {
  readonly transport: string
  constructor(transport: string, problem: string, options?: SyncErrorOptions) {
    super('SYNC_ACCESS_DENIED', `${transport}: ${problem}`, options)
    this.transport = transport
  }
}

/** The server does not announce changes and refuses to be told to; `setting` names what to set. */
export class NotificationsDisabledError extends SyncError {
  readonly setting: string
  constructor(transport: string, setting: string, options?: SyncErrorOptions) {
    super(
      'SYNC_NOTIFICATIONS_DISABLED',
      `${transport}: change notifications are off and cannot be switched on from here; set ${setting} on the server`,
      options,
    )
    this.setting = setting
  }
}

/** Another process, or another open in this one, holds the store. */
export class StoreLockedError extends SyncError {
  readonly path: string
  readonly holder: string | undefined
  constructor(path: string, holder?: string, options?: SyncErrorOptions) {
    super(
      'SYNC_STORE_LOCKED',
      `${path} is in use${holder === undefined ? '' : ` by ${holder}`}; one process may open it at a time (readOnly may list)`,
      options,
    )
    this.path = path
    this.holder = holder
  }
}

/** The store's file is not one of ours, or damaged. */
export class StoreCorruptError extends SyncError {
  readonly path: string
  constructor(path: string, problem: string, options?: SyncErrorOptions) {
    super('SYNC_STORE_CORRUPT', `${path}: ${problem}`, options)
    this.path = path
  }
}

/** The object was closed before or during the call. */
export class ClosedError extends SyncError {
  constructor(what: string, options?: SyncErrorOptions) {
    super('SYNC_CLOSED', `${what} is closed`, options)
  }
}

/** The time allowed is over; `outcome` says what became of a write. */
export class TimeoutError extends SyncError {
  readonly timeoutMs: number
  readonly outcome: WriteOutcome
  constructor(
    what: string,
    timeoutMs: number,
    options: SyncErrorOptions & { outcome?: WriteOutcome } = {},
  ) {
    super('SYNC_TIMEOUT', `${what} took longer than ${timeoutMs} ms`, {
      retryable: true,
      ...options,
    })
    this.timeoutMs = timeoutMs
    this.outcome = options.outcome ?? 'unknown'
  }
}

/** A bounded queue is full; the input was not taken. */
export class OverflowError extends SyncError {
  readonly limit: number
  /** `problem` stands in place of what is said of the limit. */
  constructor(what: string, limit: number, { problem }: { readonly problem?: string } = {}) {
    super('SYNC_OVERFLOW', problem ?? `${what} is full (${limit})`, { retryable: true })
    this.limit = limit
  }
}

/**
 * A value, a transaction or a request has more `unit`s than the transport takes. Nothing was written. `size` and `limit` are 0
 * where the server does not say them.
 */
export class PayloadTooLargeError extends SyncError {
  readonly size: number
  readonly limit: number
  constructor(
    what: string,
    size: number,
    limit: number,
    {
      unit = 'bytes',
      problem = `${what} has ${size} ${unit}, the limit is ${limit}`,
      ...options
    }: SyncErrorOptions & { readonly unit?: string; readonly problem?: string } = {},
  ) {
    super('SYNC_PAYLOAD_TOO_LARGE', problem, options)
    this.size = size
    this.limit = limit
  }
}

/** A plugin's `init` or `afterInit` failed; `plugin` names it and `cause` is its error. */
export class PluginError extends SyncError {
  readonly plugin: string
  constructor(plugin: string, phase: 'init' | 'afterInit' | 'close', cause: unknown) {
    super('SYNC_PLUGIN_FAILED', `plugin ${plugin}: ${phase} failed: ${describeError(cause)}`, {
      cause,
    })
    this.plugin = plugin
  }
}

/** A rule of ours was broken by us or by a transport; please report it. */
export class BugError extends SyncError {
  constructor(problem: string, options?: SyncErrorOptions) {
    super('SYNC_BUG', `${problem} (this is a bug, please report it)`, options)
  }
}

/** A short text for any thrown value. */
export function describeError(error: unknown): string {
  try {
    if (error instanceof Error) return String(error.message === '' ? error.name : error.message)
  } catch {
    // Anything can be thrown, also what throws when it is looked at.
  }
  return typeof error === 'string' ? error : `${typeof error} thrown`
}

/** The error's own name for aborts, as the platform has it. */
export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** An URL for logs and messages: user and password are replaced. */
export function maskUrl(url: string): string {
  return url
    .replace(/\/\/\S*@/u, '//***@')
    .replace(/([?&](?:password|token|secret)=)[^&]*/giu, '$1***')
}

function quote(text: string): string {
  const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text
  return JSON.stringify(shown)
}
