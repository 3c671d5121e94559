import {
  ClosedError,
  isSyncError,
  TimeoutError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  ListPart,
  Op,
  Position,
  RawPair,
  Transport,
} from '../../api/transport.ts'
import { HttpClient } from './http.ts'
import type { HttpRequest } from './http.ts'
import type { RestSettings } from './options.ts'
import { BYTES_TYPE, encodeToken, JSON_TYPE, toBase64 } from './protocol.ts'
import type { WireInfo, WireOp, WirePairs, WireWritten } from './protocol.ts'
import { rawPair, watchStream } from './watch-stream.ts'

/** Until the server has told. */
const OPTIMISTIC: Capabilities = {
  resumable: true,
  storeRevisions: true,
  ttl: true,
  conditionalPut: true,
  transactions: true,
  prefixDelete: true,
  waitForApplied: true,
  browser: true,
  ordered: true,
}

const KEYS_PER_REQUEST = 1_000
const PAIRS_PER_PAGE = 10_000
/** Left of a write's time for the way: the server's word is better than none. */
const WAY_MS = 250

/** An agent of another process, or a hub, as a transport. */
export class RestTransport implements Transport {
  readonly name: string
  readonly livenessMs: number
  readonly #settings: RestSettings
  readonly #http: HttpClient
  #info: WireInfo | undefined
  #opened = false
  #closed = false

  constructor(settings: RestSettings) {
    this.#settings = settings
    this.#http = new HttpClient(settings)
    this.name = settings.name
    this.livenessMs = settings.livenessMs
  }

  get capabilities(): Capabilities {
    if (this.#info === undefined) return OPTIMISTIC
    const { capabilities, limits } = this.#info
    const { maxValueBytes = Infinity } = capabilities
    const maxBodyBytes = limits['maxBodyBytes'] ?? Infinity
    const most = Math.min(maxValueBytes, maxBodyBytes)
    return { ...capabilities, browser: true, ...(most === Infinity ? {} : { maxValueBytes: most }) }
  }

  async open(io: Io): Promise<void> {
    if (this.#closed) throw new ClosedError(this.name)
    if (this.#opened) return
    try {
      const { commandTimeoutMs } = this.#settings
      const request = { method: 'GET', path: '/v1/info' } as const
      this.#learn(await this.#http.json<WireInfo>(request, io, commandTimeoutMs))
    } catch (error) {
      // Unreachable is no error (datasync.md §4); it is tried again by the first watch, read or write.
      const passes = isSyncError(error) && error.retryable
      if (!passes) throw error
      io.logger.warn({ transport: this.name, error: error.message }, 'not reachable yet')
    }
    this.#opened = true
  }

  stream(prefixes: readonly string[], from: Position | undefined, io: Io): AsyncGenerator<Batch> {
    return watchStream(this.#settings, this.#http, prefixes, from, io, (info) => this.#learn(info))
  }

  /** By pages: from a watch's list a write that was acknowledged before may still be missing. */
  async *list(prefix: string, io: Io, part?: ListPart): AsyncGenerator<readonly RawPair[]> {
    let { after, limit: left = Infinity } = part ?? {}
    for (;;) {
      const limit = Math.min(left, this.#mostKeys(PAIRS_PER_PAGE))
      const behind = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
      const path = `/v1/keys?prefix=${encodeURIComponent(prefix)}&limit=${limit}${behind}`
      const request: HttpRequest = { method: 'GET', path, headers: { accept: JSON_TYPE } }
      // oxlint-disable-next-line no-await-in-loop -- a page tells where the next one begins
      const { pairs, next } = await this.#read(request, io)
      yield pairs
      left -= pairs.length
      after = pairs.at(-1)?.key
      if (next === undefined || after === undefined || left <= 0) return
    }
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    const found: RawPair[] = []
    const most = this.#mostKeys(KEYS_PER_REQUEST)
    for (let i = 0; i < keys.length; i += most) {
      const request: HttpRequest = {
        method: 'POST',
        path: '/v1/get',
        headers: { 'content-type': JSON_TYPE },
        body: JSON.stringify({ keys: keys.slice(i, i + most) }),
      }
      const { pairs } = await this.#read(request, io)
      for (const pair of pairs) found.push(pair)
    }
    return found
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const [only] = ops
    const request =
      ops.length === 1 && only !== undefined ? oneOp(only, options) : transaction(ops, options)
    return this.#send(request, io, options.timeoutMs, (answer) => writtenOf(answer, ops))
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#http.close()
  }

  /** The server may take less. */
  #mostKeys(count: number): number {
    return Math.min(count, this.#info?.limits['maxKeys'] ?? count)
  }

  #read(request: HttpRequest, io: Io): Promise<ReadPairs> {
    return this.#send(request, io, this.#settings.commandTimeoutMs, pairsOf)
  }

  /** What `read` makes of the answer; it throws for one that is not ours. */
  async #send<T>(
    request: HttpRequest,
    io: Io,
    timeoutMs: number,
    read: (answer: unknown) => T,
  ): Promise<T> {
    const answer = await this.#answer(request, io, timeoutMs)
    try {
      return read(answer)
    } catch (cause) {
      throw new TransportUnavailableError(this.name, 'the server answers what is not understood', {
        cause,
        outcome: request.write === true ? 'unknown' : 'not-applied',
      })
    }
  }

  async #answer(request: HttpRequest, io: Io, timeoutMs: number): Promise<unknown> {
    try {
      return await this.#http.json<unknown>(request, io, timeoutMs)
    } catch (error) {
      // The caller gave the time; how much of it the server got is no concern of theirs.
      if (error instanceof TimeoutError && error.timeoutMs !== timeoutMs) {
        throw new TimeoutError('the write', timeoutMs, { outcome: error.outcome, cause: error })
      }
      throw error
    }
  }

  #learn(info: WireInfo): void {
    const { name, capabilities, limits } = info ?? {}
    if (name !== 'rx-datasync' || !isObject(capabilities) || !isObject(limits)) {
      throw new TransportUnavailableError(this.name, 'the server is no rx-datasync')
    }
    this.#info = info
  }
}

interface ReadPairs {
  readonly pairs: readonly RawPair[]
  readonly next: string | undefined
}

/** @throws TypeError for what is no list */
function pairsOf(answer: unknown): ReadPairs {
  const { pairs, next } = answer as WirePairs
  return { pairs: pairs.map(rawPair), next }
}

/** @throws TypeError for what does not say what became of the ops */
function writtenOf(answer: unknown, ops: readonly Op[]): CommitResult {
  const { versions, version, deleted, receivers } = answer as WireWritten
  const all = versions?.map((each) => each ?? undefined) ?? [version]
  const told = ops.every(({ type }, i) => type !== 'put' || typeof all[i] === 'string')
  if (!told) throw new TypeError('a version is missing')
  return {
    versions: all,
    ...(deleted === undefined ? {} : { deleted }),
    ...(receivers === undefined ? {} : { receivers }),
  }
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function oneOp(op: Op, options: CommitOptions): HttpRequest {
  const wait = waitOf(options)
  if (op.type === 'delete-prefix') {
    const path = `/v1/keys?prefix=${encodeURIComponent(op.prefix)}&${wait}`
    return { method: 'DELETE', path, write: true }
  }
  const path = `/v1/keys?key=${encodeURIComponent(op.key)}&${wait}`
  const match = op.ifVersion === undefined ? {} : { 'if-match': `"${encodeToken(op.ifVersion)}"` }
  if (op.type === 'delete') return { method: 'DELETE', path, headers: match, write: true }
  const none = op.ifAbsent === true ? { 'if-none-match': '*' } : {}
  return {
    method: 'PUT',
    path: op.ttlMs === undefined ? path : `${path}&ttl=${op.ttlMs}`,
    headers: { 'content-type': BYTES_TYPE, ...match, ...none },
    body: op.value,
    write: true,
  }
}

function transaction(ops: readonly Op[], options: CommitOptions): HttpRequest {
  return {
    method: 'POST',
    path: `/v1/txn?${waitOf(options)}`,
    headers: { 'content-type': JSON_TYPE },
    body: JSON.stringify({ ops: ops.map(wireOp) }),
    write: true,
  }
}

function wireOp(op: Op): WireOp {
  if (op.type === 'delete-prefix') return { op: 'delete-prefix', prefix: op.prefix }
  const match = op.ifVersion === undefined ? {} : { ifVersion: op.ifVersion }
  if (op.type === 'delete') return { op: 'delete', key: op.key, ...match }
  return {
    op: 'put',
    key: op.key,
    value: toBase64(op.value),
    encoding: 'base64',
    ...(op.ttlMs === undefined ? {} : { ttl: op.ttlMs }),
    ...match,
    ...(op.ifAbsent === true ? { ifAbsent: true } : {}),
  }
}

function waitOf({ waitFor, timeoutMs }: CommitOptions): string {
  const server = Math.max(1, Math.floor(timeoutMs - Math.min(WAY_MS, timeoutMs / 5)))
  return `wait=${waitFor === 'applied'}&timeoutMs=${Math.min(server, 300_000)}`
}
