import { isSyncError } from '../api/errors.ts'
import { hasPrefix } from '../api/key.ts'
import type { ResyncReason } from '../api/resync-event.ts'
import type { TransportState, TransportStatus } from '../api/status.ts'
import type { Io, Op, Position, RawPair, Receipt, Transport } from '../api/transport.ts'
import { nextTask } from '../kit/next-task.ts'
import { coverOf, PrefixIndex } from '../kit/prefix-index.ts'
import type { LatestValues } from './latest-values.ts'
import { RevisionCounter, WatchLoop } from './watch-loop.ts'
import type { SourceChange } from './watch-loop.ts'

/** Who watches through a {@link Source}; called per feed. */
export interface SourceSink {
  resetting(feed: Feed): void
  listed(feed: Feed, reason: ResyncReason): void
  changed(
    feed: Feed,
    changes: readonly SourceChange[],
    before: Position | undefined,
    receipt: Receipt | undefined,
  ): void
  status(feed: Feed): void
  lost(error: unknown): void
}

/** One shared watch on a set of prefixes, none inside another. */
export interface Feed {
  readonly live: boolean
  readonly values: LatestValues
  readonly position: Position | undefined
}

/** The only implementation of {@link Feed}; users count it. */
class SharedFeed implements Feed {
  /** What others may join it for. */
  readonly wanted = new PrefixIndex<true>()
  /** How many users each prefix has. */
  readonly #asked = new Map<string, number>()
  loop: WatchLoop | undefined

  get live(): boolean {
    return this.loop?.live ?? false
  }

  /** It is listed for the first time, and was not interrupted. */
  get first(): boolean {
    const state = this.loop?.state
    if (state === undefined || state.name === 'idle') return true
    if (state.name !== 'opening' && state.name !== 'listing') return false
    return state.attempt === 0 && !state.known
  }

  get values(): LatestValues {
    if (this.loop === undefined) throw new Error('the feed is not open')
    return this.loop.values
  }

  get position(): Position | undefined {
    return this.loop?.position
  }

  get prefixes(): Iterable<string> {
    return this.#asked.keys()
  }

  get used(): boolean {
    return this.#asked.size > 0
  }

  /** The operation may change what was asked for. */
  concerns(op: Op): boolean {
    if (this.wanted.covers(op.type === 'delete-prefix' ? op.prefix : op.key)) return true
    if (op.type !== 'delete-prefix') return false
    for (const prefix of this.prefixes) if (hasPrefix(prefix, op.prefix)) return true
    return false
  }

  ask(prefix: string): void {
    this.#asked.set(prefix, (this.#asked.get(prefix) ?? 0) + 1)
  }

  drop(prefix: string): void {
    const rest = (this.#asked.get(prefix) ?? 0) - 1
    if (rest > 0) {
      this.#asked.set(prefix, rest)
      return
    }
    this.#asked.delete(prefix)
    // Once open, its stream goes on with what it was opened for.
    if (this.loop === undefined) this.wanted.delete(prefix)
  }
}

/**
 * All watches on one transport. Prefixes asked for in one turn of the event loop share one stream; a later prefix that
 * none covers gets a stream of its own, so that nobody else is disturbed by its list.
 */
export class Source {
  readonly transport: Transport
  readonly #io: Io
  readonly #sink: SourceSink
  readonly #revisions = new RevisionCounter()
  readonly #feeds = new Set<SharedFeed>()
  #gathering: SharedFeed | undefined
  /** Go on from a checkpoint in the next turn, or once nothing is held any more. */
  #resumed: SharedFeed[] = []
  #held = false
  #closed = false
  #wasLive = false
  /** By the last read or write; undefined before the first. */
  #answering: boolean | undefined
  #reconnects = 0
  #lastError: unknown

  constructor(transport: Transport, io: Io, sink: SourceSink) {
    this.transport = transport
    this.#io = io
    this.#sink = sink
  }

  get status(): TransportStatus {
    return {
      name: this.transport.name,
      state: this.#state(),
      reconnects: this.#reconnects,
      lastError: this.#lastError,
    }
  }

  /** A read or write was answered, or the server was out of reach. */
  heard(error?: unknown): void {
    if (error === undefined) {
      this.#answering = true
      this.#wasLive = true
    } else if (isSyncError(error, 'SYNC_UNAVAILABLE')) {
      this.#answering = false
      this.#lastError = error
    }
  }

  /** Nothing is watched, so that nothing tells whether the server is there. */
  get silent(): boolean {
    const parts = this.transport.parts ?? []
    const unheard = this.#isNetworked || parts.some(({ state }) => state === 'connecting')
    return this.#feeds.size === 0 && unheard
  }

  /** Pairs collected by lists that are under way. */
  get listing(): number {
    let pairs = 0
    for (const feed of this.#feeds) pairs += feed.loop?.staged ?? 0
    return pairs
  }

  /** Gathers prefixes, and what goes on from checkpoints, without opening streams until `release`. */
  hold(): void {
    this.#held = true
  }

  release(): void {
    if (!this.#held) return
    this.#held = false
    this.#openNow()
  }

  /**
   * Opens at once what would be opened in the next turn and is about these writes, unless it is held: who asked before
   * them is to get them. Others go on gathering, lest each get a stream of its own.
   */
  openFor(ops: readonly Op[]): void {
    if (this.#held) return
    this.#openResumed()
    if (this.#gathering !== undefined && ops.some((op) => this.#gathering?.concerns(op))) {
      this.#openNow()
    }
  }

  /** A feed that covers the prefix; to be given back by `leave`. */
  join(prefix: string): Feed {
    for (const feed of this.#feeds) {
      if (feed.loop !== undefined && feed.wanted.covers(prefix)) {
        feed.ask(prefix)
        return feed
      }
    }
    if (this.#gathering === undefined) {
      this.#gathering = new SharedFeed()
      this.#feeds.add(this.#gathering)
      nextTask(() => this.#openNow())
    }
    this.#gathering.ask(prefix)
    this.#gathering.wanted.set(prefix, true)
    return this.#gathering
  }

  /** Those that watch the key, as far as they are open. */
  feedsOf(key: string): Feed[] {
    return [...this.#feeds].filter((feed) => feed.loop?.covers(key) === true)
  }

  /** A feed of one's own that goes on behind a position (C1). */
  resume(prefixes: readonly string[], position: Position, pairs: readonly RawPair[]): Feed {
    const feed = new SharedFeed()
    // It lies behind: others may join when it has caught up.
    for (const prefix of prefixes) feed.ask(prefix)
    this.#feeds.add(feed)
    this.#create(feed, { position, pairs })
    this.#resumed.push(feed)
    nextTask(() => this.#openNow())
    return feed
  }

  /** Another feed for the prefix that stands exactly where this one does: its user may change over to it. */
  twin(feed: Feed, prefix: string): Feed | undefined {
    for (const other of this.#feeds) {
      if (other === feed || !other.live || !other.wanted.covers(prefix)) continue
      if (feed.position !== undefined && other.position === feed.position) return other
    }
    return undefined
  }

  /** One more user of a feed that covers the prefix. */
  share(feed: Feed, prefix: string): void {
    const shared = feed as SharedFeed
    shared.ask(prefix)
    if (shared.loop === undefined) shared.wanted.set(prefix, true)
  }

  /** True when nobody uses it any more: it is closed then. */
  leave(feed: Feed, prefix: string): boolean {
    const shared = feed as SharedFeed
    shared.drop(prefix)
    if (shared.used) return false
    this.#feeds.delete(shared)
    if (this.#gathering === shared) this.#gathering = undefined
    shared.loop?.close()
    return true
  }

  close(): void {
    this.#closed = true
    for (const feed of this.#feeds) feed.loop?.close()
    this.#feeds.clear()
    this.#gathering = undefined
  }

  #openNow(): void {
    if (this.#held) return
    this.#openResumed()
    const feed = this.#gathering
    if (feed === undefined) return
    this.#gathering = undefined
    this.#create(feed, undefined)
    feed.loop?.start()
  }

  /** Each has a stream of its own in any case. */
  #openResumed(): void {
    if (this.#resumed.length === 0) return
    for (const feed of this.#resumed.splice(0)) feed.loop?.start()
  }

  #create(
    feed: SharedFeed,
    resume: { position: Position; pairs: readonly RawPair[] } | undefined,
  ): void {
    const sink = this.#sink
    feed.loop = new WatchLoop({
      transport: this.transport,
      prefixes: coverOf(feed.prefixes),
      io: this.#io,
      revisions: this.#revisions,
      resume,
      sink: {
        resetting: () => sink.resetting(feed),
        listed: (reason) => sink.listed(feed, reason),
        changed: (changes, before, _after, receipt) => sink.changed(feed, changes, before, receipt),
        status: (live) => {
          this.#wasLive ||= live
          if (live) this.#offer(feed)
          sink.status(feed)
        },
        lost: (error) => {
          this.#reconnects++
          this.#lastError = error
          sink.lost(error)
        },
      },
    })
  }

  /** A feed that was resumed has caught up: it serves others too, unless a shared one does. */
  #offer(feed: SharedFeed): void {
    for (const prefix of feed.prefixes) {
      const served = [...this.#feeds].some((known) => known.wanted.covers(prefix))
      if (!served) feed.wanted.set(prefix, true)
    }
  }

  #state(): TransportState {
    if (this.#closed) return 'closed'
    const feeds = [...this.#feeds]
    if (feeds.every((feed) => feed.loop === undefined)) return this.#reached()
    // One more prefix that is listed for the first time says nothing about the link.
    const lost = feeds.some((feed) => !feed.live && !feed.first)
    if (!lost && feeds.some((feed) => feed.live)) return 'live'
    return this.#wasLive ? 'stale' : 'connecting'
  }

  get #isNetworked(): boolean {
    return (this.transport.livenessMs ?? 0) > 0
  }

  /** Without a watch: what reads and writes have found. */
  #reached(): TransportState {
    if (!this.#isNetworked || this.#answering === true) return 'live'
    return this.#wasLive ? 'stale' : 'connecting'
  }
}
