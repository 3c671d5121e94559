import type { KeyVal } from '../api/change-event.ts'
import { ClosedError, describeError, isSyncError } from '../api/errors.ts'
import type { Instrumentation } from '../api/instrumentation.ts'
import { assertKey, assertPrefix, compareKeys, hasPrefix } from '../api/key.ts'
import { prefixOf } from '../api/model.ts'
import type { Prefix } from '../api/model.ts'
import type { Sync } from '../api/plugin.ts'
import type { RefusalReport } from '../api/refusal-report.ts'
import type { Served } from '../api/served.ts'
import type { TransportStatus } from '../api/status.ts'
import type { Io, RawPair, Transport } from '../api/transport.ts'
import type { WatchOptions, WatchRegistration } from '../api/watcher.ts'
import type {
  DeleteResult,
  DelOptions,
  Publication,
  PublishResult,
  PutOptions,
  PutResult,
  Transaction,
} from '../api/writer.ts'
import type { Message } from '../api/message.ts'
import { listOf } from '../kit/list-of.ts'
import { coverOf } from '../kit/prefix-index.ts'
import { Source } from '../source/source.ts'
import type { Feed } from '../source/source.ts'
import type { Observable } from 'rxjs'
import { Arrivals } from './arrivals.ts'
import { ByteCopier } from './byte-copier.ts'
import { readCheckpoint } from './checkpoint.ts'
import { Deliveries } from './deliveries.ts'
import type { Deliverer } from './deliveries.ts'
import { LazyKeyVal } from './key-val.ts'
import { publish } from './publish.ts'
import { Registration } from './registration.ts'
import type { RegistrationHost } from './registration-host.ts'
import type { ResyncGate } from './resync-gate.ts'
import type { FeedShares } from './routes.ts'
import { Replacer } from './replacer.ts'
import { EngineServed } from './served.ts'
import { SharedWatches } from './shared-watches.ts'
import { Switchboard } from './switchboard.ts'
import { resolveWatchOptions } from './watch-options.ts'
import { assertWatchable } from './watchable.ts'
import { WatchHandle } from './watch-handle.ts'
import { Writer } from './writer.ts'

export interface EngineOptions {
  readonly transport: Transport
  readonly io: Io
  readonly gate: ResyncGate
  readonly instrumentation: Instrumentation
  /** Takes a registration's name. @throws AlreadyRegisteredError */
  readonly claim: (name: string) => void
  /** Told of every new registration, in call order. */
  readonly registered: (registration: Registration) => void
  /** Told of every refusal. */
  readonly refused: (report: RefusalReport) => void
}

/** Read once where nothing is watched; need not exist. */
const PROBE_KEY = 'datasync-probe'

/** Everything that happens through one transport: registrations, reads and writes. */
export class Engine implements Sync, RegistrationHost {
  readonly transportName: string
  readonly maxKeyBytes: number | undefined
  readonly io: Io
  readonly gate: ResyncGate
  readonly instrumentation: Instrumentation
  readonly #options: EngineOptions
  readonly #transport: Transport
  readonly #source: Source
  readonly #switchboard: Switchboard
  readonly #registrations = new Set<Registration>()
  readonly #writer: Writer
  readonly #arrivals: Arrivals
  readonly #replacer: Replacer
  readonly #sharedWatches: SharedWatches
  readonly #deliveries = new Deliveries()
  readonly #copies = new ByteCopier()
  readonly #closing = new AbortController()
  #opening: Promise<void> | undefined
  #opened = false

  constructor(options: EngineOptions) {
    this.#options = options
    this.#transport = options.transport
    this.transportName = options.transport.name
    this.maxKeyBytes = options.transport.capabilities.maxKeyBytes
    this.io = options.io
    this.gate = options.gate
    this.instrumentation = options.instrumentation
    const io = this.#io()
    this.#writer = new Writer(options.transport, io, options.instrumentation, {
      opening: () => this.#whenOpen(),
      heard: (answer) => this.#heard(answer),
      openWatches: (ops) => this.#source.openFor(ops),
    })
    this.#source = new Source(options.transport, io, {
      resetting: (feed) => this.#each(feed, (registration) => registration.resetting(feed)),
      listed: (feed, reason) => {
        this.#arrivals.listed(feed)
        this.#each(feed, (registration) => registration.listed(feed, reason))
      },
      status: (feed) => this.#each(feed, (registration) => registration.sourceStatus()),
      changed: (feed, changes, before, receipt) => {
        this.instrumentation.changes?.({
          transport: this.transportName,
          count: changes.length,
        })
        this.#switchboard.dispatch(feed, changes, before, receipt)
        this.#arrivals.changed(feed, changes)
      },
      lost: (error) => {
        const code = isSyncError(error) ? error.code : 'OTHER'
        this.instrumentation.reconnect?.({ transport: this.transportName, code })
        this.io.logger.warn(
          { transport: this.transportName, code, error: describeError(error) },
          'stream lost, reconnecting',
        )
      },
    })
    this.#switchboard = new Switchboard(options.transport, this.#source)
    this.#arrivals = new Arrivals(io.clock, (key) => this.#source.feedsOf(key))
    this.#replacer = new Replacer({
      transport: options.transport,
      io,
      writer: this.#writer,
      gate: options.gate,
      arrivals: this.#arrivals,
      registrations: () => this.#registrations,
    })
    this.#sharedWatches = new SharedWatches({
      transport: options.transport,
      io,
      opened: () => this.#whenOpen(),
    })
    this.instrumentation.attached?.({
      transport: this.transportName,
      status: () => this.status,
    })
  }

  get status(): TransportStatus {
    const { status } = this.#source
    // Without a watch there is no stream that could say so.
    const live = this.#opened || status.state !== 'live'
    const parts = [...(this.#transport.parts ?? []), ...this.#sharedWatches.statuses]
    return withParts(live ? status : { ...status, state: 'connecting' }, parts)
  }

  /** Pairs received so far by lists that are not complete. */
  get listing(): number {
    return this.#source.listing
  }

  get registrations(): Iterable<Registration> {
    return this.#registrations
  }

  /** Opens the transport, once; reads and writes wait for it. Rejects as {@link Transport.open} does. */
  open(): Promise<void> {
    if (this.#opening === undefined) {
      this.#opening = this.#untilClosed(this.#transport.open(this.#io()))
      // The first to hear of it, lest a write that comes then overtakes those that wait.
      this.#opening.then(
        () => {
          this.#opened = true
        },
        () => {}, // told to whoever waits
      )
    }
    return this.#opening
  }

  /** Who waits for an open that never ends is let go by `close`. */
  #untilClosed(opening: Promise<void>): Promise<void> {
    const { signal } = this.#closing
    return new Promise((resolve, reject) => {
      const onAbort = (): void => reject(new ClosedError(`transport ${this.transportName}`))
      signal.addEventListener('abort', onAbort, { once: true })
      void opening.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    })
  }

  /** Gathers the prefixes of watches until `release`, so that they share one stream. */
  hold(): void {
    this.#source.hold()
  }

  release(): void {
    this.#source.release()
    // A program that only writes wants to know, too, whether its server is there.
    if (this.#source.silent) void this.get(PROBE_KEY).catch(() => {})
  }

  watch(
    resyncName: string,
    prefixes: Prefix | readonly Prefix[],
    options?: WatchOptions,
    plugin?: string,
  ): WatchRegistration {
    this.#assertOpen()
    const list = (Array.isArray(prefixes) ? prefixes : [prefixes]) as readonly Prefix[]
    const strings = list.map(prefixOf)
    for (const prefix of strings) assertPrefix(prefix, this.maxKeyBytes)
    assertWatchable(this.#transport, strings)
    const resolved = resolveWatchOptions(options)
    if (resolved.resume !== undefined) {
      readCheckpoint(resolved.resume, this.transportName, strings)
    }
    this.#options.claim(resyncName)
    const registration = new Registration(this, resyncName, strings, resolved, plugin)
    this.#registrations.add(registration)
    this.#options.registered(registration)
    this.instrumentation.registered?.({
      transport: this.transportName,
      registration: resyncName,
      status: () => registration.status,
    })
    return new WatchHandle(registration, this.#transport)
  }

  async get(key: string): Promise<KeyVal | undefined> {
    this.#assertOpen()
    assertKey(key, this.maxKeyBytes)
    if (!this.#opened) await this.open()
    const [pair] = await this.#heard(this.#transport.get([key], this.#io()))
    return pair === undefined ? undefined : new LazyKeyVal(pair, this.#copies)
  }

  async *list(prefix: Prefix): AsyncGenerator<KeyVal> {
    this.#assertOpen()
    const start = prefixOf(prefix)
    assertPrefix(start, this.maxKeyBytes)
    if (!this.#opened) await this.open()
    const pairs = new Map<string, RawPair>()
    for await (const page of listOf(this.#transport, start, this.#io())) {
      for (const pair of page) if (hasPrefix(pair.key, start)) pairs.set(pair.key, pair)
    }
    for (const pair of [...pairs.values()].sort((a, b) => compareKeys(a.key, b.key))) {
      yield new LazyKeyVal(pair, this.#copies)
    }
  }

  put(key: string, message: Message, options?: PutOptions): Promise<PutResult> {
    return this.#writer.put(key, message, options)
  }

  delete(key: string, options?: DelOptions): Promise<DeleteResult> {
    return this.#writer.delete(key, options)
  }

  txn(): Transaction {
    this.#assertOpen()
    return this.#writer.txn()
  }

  publish(
    changes: Observable<Publication> | AsyncIterable<Publication>,
  ): Observable<PublishResult> {
    return publish(this, changes)
  }

  /** What servers of other processes get: the keys under the prefixes. @throws InvalidKeyError */
  served(prefixes: readonly string[] = ['']): Served {
    this.#assertOpen()
    for (const prefix of prefixes) assertPrefix(prefix, this.maxKeyBytes)
    const io = this.#io()
    return new EngineServed({
      transport: this.#transport,
      prefixes: coverOf(prefixes),
      io,
      writer: this.#writer,
      instrumentation: this.instrumentation,
      opened: () => this.#whenOpen(),
      heard: (answer) => this.#heard(answer),
      ready: () => this.gate.started && !this.#closing.signal.aborted,
      status: () => this.status,
      stream: (cover, watched, from, signal) => {
        assertWatchable(this.#transport, watched)
        return this.#sharedWatches.stream(cover, watched, from, signal)
      },
      numbered: (cover, pairs) => this.#sharedWatches.numbered(cover, pairs),
      replace: (cover, pairs, options) => this.#replacer.replace(cover, pairs, options),
    })
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort()
    await Promise.all(Array.from(this.#registrations, (registration) => registration.close()))
    this.#source.close()
    this.#sharedWatches.close()
    await this.#transport.close()
    this.instrumentation.detached?.({ transport: this.transportName })
  }

  // ---- RegistrationHost

  sharesOf(registration: Registration): FeedShares {
    return this.#switchboard.sharesOf(registration)
  }

  deliverSoon(deliverer: Deliverer): void {
    this.#deliveries.add(deliverer)
  }

  refused(report: RefusalReport): void {
    this.#options.refused(report)
  }

  closed(registration: Registration): void {
    this.#registrations.delete(registration)
    this.instrumentation.unregistered?.({
      transport: this.transportName,
      registration: registration.name,
    })
  }

  #each(feed: Feed, visit: (registration: Registration) => void): void {
    for (const registration of this.#switchboard.sharers(feed)) visit(registration)
  }

  #io(): Io {
    return { ...this.io, signal: this.#closing.signal }
  }

  async #heard<T>(answer: Promise<T>): Promise<T> {
    try {
      const result = await answer
      this.#source.heard()
      return result
    } catch (error) {
      this.#source.heard(error)
      throw error
    }
  }

  /** Undefined once the transport is open. @throws ClosedError */
  #whenOpen(): Promise<void> | undefined {
    this.#assertOpen()
    return this.#opened ? undefined : this.open()
  }

  #assertOpen(): void {
    if (this.#closing.signal.aborted) throw new ClosedError(`transport ${this.transportName}`)
  }
}

/** A part that is lost is not seen in the streams of the whole, which go on without it. */
function withParts(status: TransportStatus, parts: readonly TransportStatus[]): TransportStatus {
  if (parts.length === 0) return status
  const lost = parts.find((part) => part.state !== 'live')
  return {
    ...status,
    state: status.state === 'live' ? (lost?.state ?? 'live') : status.state,
    reconnects: parts.reduce((sum, part) => sum + part.reconnects, status.reconnects),
    lastError:
      lost?.lastError ?? status.lastError ?? parts.find((part) => part.lastError)?.lastError,
  }
}
