import type { Timer } from '../../api/clock.ts'
import type { SyncError } from '../../api/errors.ts'
import type { Batch, Io } from '../../api/transport.ts'
import { backoffMs } from '../../kit/backoff.ts'
import { onAbort } from '../../kit/abortable.ts'
import { translate } from './errors.ts'
import { clusterReader, readTogether } from './key-reader.ts'
import type { HubMember, NotificationHub } from './notification-hub.ts'
import type { RedisSettings } from './options.ts'
import type { SlotMap } from './slot-map.ts'
import { StreamReads } from './stream-reads.ts'
import { Wakeup } from '../../kit/wakeup.ts'

/** A consumer that takes nothing while more keys than this change gets a new list instead (W24). */
const MAX_MARKED = 1_000_000
/** Before a key is asked for again that had moved. */
const MOVED_BACKOFF = { baseMs: 100, capMs: 5_000 } as const

export interface WatchStreamOptions {
  readonly settings: RedisSettings
  readonly prefixes: readonly string[]
  readonly io: Io
  readonly hub: NotificationHub
  readonly skipped: (what: 'key' | 'value') => void
  /** For tests; 1 000 000. */
  readonly maxMarked?: number
}

/** A walk over all keys: the first list, or a reconcile. */
interface Pass {
  /** `preparing` and `checking` ask the servers; at `ready` the consumer is told, at `due` the nodes are walked. */
  state: 'preparing' | 'ready' | 'due' | 'listing' | 'checking' | 'complete'
  walks: number
  /** Who owned what when the walk began. */
  digest: string | undefined
  /** What was marked while the nodes were walked is read, too. */
  caughtUp: boolean
}

/**
 * One stream: subscribed first (by the hub), then listed, then changes (W8). Announcements only mark keys, whose values
 * are read in turn: however often a key is announced meanwhile, it is read once.
 *
 * A reconcile is a list amid changes. A `pairs` batch without pairs says that it begins, `listed` that it is complete;
 * between them pages and changes come in the order in which the server answered, so each value is the newest known.
 */
export class WatchStream implements HubMember {
  readonly prefixes: readonly string[]
  readonly #options: WatchStreamOptions
  #reads: StreamReads | undefined
  /** By which keys are read; the hub's may be newer. */
  #slots: SlotMap | undefined
  #live = false
  #pass: Pass | undefined
  #flushed = false
  #alive = false
  #slotsMoved = false
  /** Waits for news of the cluster: a node said that it does not own a key. */
  #lostTrack = false
  #trackAttempt = 0
  #lost: SyncError | undefined
  #reconcileTimer: Timer | undefined
  #trackTimer: Timer | undefined
  readonly #news: Wakeup = new Wakeup()

  constructor(options: WatchStreamOptions) {
    this.#options = options
    this.prefixes = options.prefixes
  }

  /** Ends by throwing, or with the signal. */
  async *run(): AsyncGenerator<Batch, void, undefined> {
    const { hub, io, settings } = this.#options
    const forget = onAbort(io.signal, () => this.#news.notify())
    try {
      await hub.join(this, io.signal)
      this.#begin()
      while (!io.signal.aborted) {
        if (this.#lost !== undefined) throw this.#lost
        const batch = this.#step()
        if (batch === undefined) await this.#news.wait()
        else yield batch
      }
    } catch (error) {
      if (!io.signal.aborted) throw this.#lost ?? translate(settings.name, error)
    } finally {
      forget()
      this.#stopTimers()
      this.#pass = undefined
      this.#reads = undefined
      hub.leave(this)
    }
  }

  mark(key: string): void {
    if (this.#reads === undefined) return
    this.#reads.mark(key)
    this.#news.notify()
  }

  flushed(): void {
    this.#flushed = true
    this.#news.notify()
  }

  alive(): void {
    this.#alive = true
    this.#news.notify()
  }

  slotsMoved(): void {
    this.#slotsMoved = true
    this.#news.notify()
  }

  lost(error: SyncError): void {
    this.#lost ??= error
    this.#news.notify()
  }

  /** The next batch; undefined when nothing is to be done but wait. */
  #step(): Batch | undefined {
    const reads = this.#reads as StreamReads
    if (this.#flushed || (this.#live && reads.marked > (this.#options.maxMarked ?? MAX_MARKED))) {
      this.#begin()
      return { kind: 'reset', reason: 'reconnected' }
    }
    // While slots move, what is under way comes in, but nothing is sent by the old map.
    if (this.#slotsMoved && reads.idle) this.#adoptSlots(reads)
    const begins = this.#passBegins(reads)
    if (begins !== undefined) return begins
    const sends = !this.#slotsMoved && !this.#lostTrack
    if (sends) reads.send(this.#live)
    const landed = reads.take()
    // What was taken makes room; the next reads are under way while the consumer works.
    if (sends) reads.send(this.#live)
    if (landed !== undefined) return landed
    const ends = this.#passEnds(reads)
    if (ends !== undefined) return ends
    if (!this.#alive) return undefined
    this.#alive = false
    return { kind: 'progress' }
  }

  /** From the start: the first list, and after a reset. */
  #begin(): void {
    const { hub, prefixes, settings, skipped } = this.#options
    this.#stopTimers()
    this.#flushed = false
    this.#live = false
    this.#slotsMoved = false
    this.#lostTrack = false
    this.#slots = hub.slots
    // What older reads bring goes nowhere.
    const reads = new StreamReads({
      prefixes,
      connections: new Map([...hub.sessions].map(([id, { reader }]) => [id, reader])),
      slots: this.#slots,
      read: this.#slots === undefined ? readTogether : clusterReader(hub.nodeAt),
      scanCount: settings.scanCount,
      moved: (keys, of) => {
        this.#reads?.again(keys, of)
        this.#trackDown()
      },
      skipped,
      wake: () => this.#news.notify(),
    })
    this.#reads = reads
    this.#pass = newPass('due')
  }

  #passBegins(reads: StreamReads): Batch | undefined {
    const pass = this.#pass
    if (pass?.state === 'due' && !this.#slotsMoved) {
      pass.state = 'listing'
      pass.walks++
      pass.digest = this.#slots?.digest
      reads.list()
    }
    if (pass?.state !== 'ready') return undefined
    // Not a key may be read before the consumer knows that a reconcile is on: SCAN is sent at the next step.
    pass.state = 'due'
    return { kind: 'pairs', pairs: [] }
  }

  #passEnds(reads: StreamReads): Batch | undefined {
    const pass = this.#pass
    if (pass?.state === 'listing' && !reads.listing) {
      if (this.#slots === undefined) pass.state = 'complete'
      else this.#check(pass)
    }
    if (pass?.state !== 'complete') return undefined
    this.#pass = undefined
    this.#live = true
    const { io, settings } = this.#options
    // Jitter, lest many processes list at once.
    if (settings.reconcileMs > 0)
      this.#reconcileIn(settings.reconcileMs * (0.9 + 0.2 * io.random()))
    return { kind: 'listed' }
  }

  #reconcileIn(delayMs: number): void {
    this.#reconcileTimer?.stop()
    const { hub, io, settings } = this.#options
    this.#reconcileTimer = io.clock.after(delayMs, () => {
      const pass = newPass('preparing')
      this.#pass = pass
      this.#ask(hub.ensureNotifications(), pass, (wereOff) => {
        pass.state = 'ready'
        if (!wereOff) return
        io.logger.warn(
          { transport: settings.name },
          'notifications were off, changes are made up for',
        )
      })
    })
  }

  /**
   * Cluster: a key that moved while the nodes were walked may have been on neither when its turn came. A second walk
   * finds it where it went; a key that the walk of a slot under way missed was announced (RESTORE) and is marked. So
   * slots that move for hours hold up no list.
   */
  #check(pass: Pass): void {
    pass.state = 'checking'
    const { hub } = this.#options
    this.#ask(hub.refresh(), pass, () => {
      const moved = hub.slots?.digest !== pass.digest
      if (moved && pass.walks === 1) pass.state = 'due'
      else if ((moved || hub.slots?.moving === true) && !pass.caughtUp) {
        pass.caughtUp = true
        pass.state = 'listing'
        this.#reads?.listMarked()
      } else pass.state = 'complete'
    })
  }

  #adoptSlots(reads: StreamReads): void {
    const { hub, settings } = this.#options
    this.#slotsMoved = false
    this.#trackAttempt = 0
    this.#slots = hub.slots
    if (hub.slots !== undefined) reads.adopt(hub.slots)
    // Whatever happened to keys on the way, a comparison finds it once the slots have come to rest.
    if (this.#pass === undefined) this.#reconcileIn(settings.livenessMs)
  }

  /** A node said that a key is not its own: nothing is sent before the hub knows more. */
  #trackDown(): void {
    if (this.#lostTrack) return
    this.#lostTrack = true
    const { hub, io, settings } = this.#options
    const reads = this.#reads
    hub.refresh().then(
      () => {
        if (this.#reads !== reads) return
        const waitMs = backoffMs(this.#trackAttempt++, io.random, MOVED_BACKOFF)
        this.#trackTimer = io.clock.after(waitMs, () => {
          this.#lostTrack = false
          this.#news.notify()
        })
      },
      (error: unknown) => this.lost(translate(settings.name, error)),
    )
  }

  /** Goes on with the answer, unless the pass was given up meanwhile. */
  #ask<T>(answer: Promise<T>, pass: Pass, then: (answer: T) => void): void {
    answer.then(
      (value) => {
        if (this.#pass === pass) then(value)
        this.#news.notify()
      },
      (error: unknown) => this.lost(translate(this.#options.settings.name, error)),
    )
  }

  #stopTimers(): void {
    this.#reconcileTimer?.stop()
    this.#trackTimer?.stop()
  }
}

function newPass(state: Pass['state']): Pass {
  return { state, walks: 0, digest: undefined, caughtUp: false }
}
