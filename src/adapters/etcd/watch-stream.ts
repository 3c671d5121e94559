import { AccessDeniedError, TransportUnavailableError } from '../../api/errors.ts'
import type { Batch, Io, Position, RawPair } from '../../api/transport.ts'
import type { Connection } from './connection.ts'
import type { Dialer } from '../../grpc-link/dialer.ts'
import { answerOf, isTooLarge, translate } from './errors.ts'
import { listedPair } from './etcd-pair.ts'
import { EventFolder } from './event-folder.ts'
import { hullOf, keyText, rangeOf } from './key-range.ts'
import type { KeyRange } from './key-range.ts'
import { LifeSign } from '../../grpc-link/life-sign.ts'
import { listPages } from './list-pages.ts'
import type { EtcdSettings } from './options.ts'
import { checkPosition } from './position-check.ts'
import { digestOf, formatPosition, formatRange, parsePosition } from './position.ts'
import type { EtcdPosition } from './position.ts'
import { marksMovePosition } from './progress-marks.ts'
import { idOf, numberOf, rangeMethod } from './schema.ts'
import type { WatchResponse } from './schema.ts'
import type { WatchFeed } from './watch-feed.ts'

/** A list that is compacted away under way is begun again so often, with bigger pages. */
const LIST_ATTEMPTS = 5
/** So many lists without a watch that went on behind them; then the link is given up, and the back-off runs (W16). */
const FRUITLESS_LISTS = 3
const PAGE_GROWTH = 4
/** Quiet looks after which a watch counts as caught up. */
const QUIET_LOOKS = 4
/** A watch that the server could not keep in step, without a word, has at least so many messages on their way. */
const BEHIND_MESSAGES = 100

type Reset = 'reconnected' | 'compacted'

/** What streams of a transport tell each other. */
export interface StreamMemory {
  /** A message was too large: until it is through, the server is asked for parts, which costs it much. */
  fragments: boolean
}

export interface WatchStreamOptions {
  readonly settings: EtcdSettings
  readonly prefixes: readonly string[]
  readonly io: Io
  readonly dialer: Dialer<Connection>
  readonly memory: StreamMemory
  readonly skipped: () => void
}

/**
 * One stream on a connection of its own: a list at one revision, then one watch from the next revision on (W1–W3). It
 * covers all prefixes with one range, so that their changes come in the store's order.
 */
export class WatchStream {
  readonly #options: WatchStreamOptions
  readonly #range: KeyRange
  readonly #rangeText: string
  #alive = false

  constructor(options: WatchStreamOptions) {
    this.#options = options
    this.#range = hullOf(options.prefixes)
    this.#rangeText = formatRange(this.#range)
  }

  /** Ends by throwing, or with the signal. */
  async *run(from: Position | undefined): AsyncGenerator<Batch, void, undefined> {
    const { io, dialer } = this.#options
    let connection: Connection | undefined
    const onAbort = (): void => connection?.destroy()
    io.signal.addEventListener('abort', onAbort, { once: true })
    try {
      connection = await dialer.dial(io.signal)
      if (io.signal.aborted) return
      yield* this.#watch(from, connection)
    } catch (error) {
      if (!io.signal.aborted) throw connection?.lost ?? this.#translate(error)
    } finally {
      io.signal.removeEventListener('abort', onAbort)
      connection?.destroy()
    }
  }

  async *#watch(from: Position | undefined, connection: Connection): AsyncGenerator<Batch> {
    let position = from === undefined ? undefined : parsePosition(from)
    if (from !== undefined && position === undefined) yield { kind: 'reset', reason: 'reconnected' }
    for (let lists = 0; lists <= FRUITLESS_LISTS;) {
      const listed = position === undefined
      if (position === undefined) {
        lists++
        position = yield* this.#list(connection)
        yield { kind: 'listed', position: formatPosition(position) }
      }
      const { reason, wentOn } = yield* this.#follow(position, listed, connection)
      yield { kind: 'reset', reason }
      position = undefined
      if (wentOn) lists = 0
    }
    const problem = 'what is listed is compacted away before it can be watched'
    throw new TransportUnavailableError(this.#options.settings.name, problem)
  }

  async *#list(connection: Connection): AsyncGenerator<Batch, EtcdPosition> {
    const { pageBytes, maxMessageBytes } = this.#options.settings
    for (let attempt = 0; ; attempt++) {
      try {
        const bytes = Math.min(pageBytes * PAGE_GROWTH ** attempt, maxMessageBytes / 2)
        return yield* this.#listOnce(bytes, connection)
      } catch (error) {
        if (answerOf(error) !== 'compacted' || attempt + 1 === LIST_ATTEMPTS) throw error
        yield { kind: 'reset', reason: 'compacted' }
      }
    }
  }

  async *#listOnce(pageBytes: number, connection: Connection): AsyncGenerator<Batch, EtcdPosition> {
    const { prefixes, skipped } = this.#options
    let revision: number | undefined
    let clusterId = ''
    let count = 0
    let last: RawPair | undefined
    for (const prefix of prefixes) {
      const pages = listPages(rangeOf(prefix), connection, { revision, pageBytes })
      for (;;) {
        const next = yield* this.#patiently(pages.next(), connection)
        if (next.done === true) break
        const { kvs } = next.value
        revision = next.value.revision
        clusterId = idOf(next.value.clusterId)
        count += kvs.length
        const pairs: RawPair[] = []
        for (const kv of kvs) {
          const key = keyText(kv.key)
          if (key === undefined) {
            skipped()
            continue
          }
          const pair = listedPair(key, kv)
          if (last === undefined || pair.revision > last.revision) last = pair
          pairs.push(pair)
        }
        if (pairs.length > 0) yield { kind: 'pairs', pairs }
      }
    }
    const listed = {
      clusterId,
      revision: revision ?? 0,
      range: this.#rangeText,
      lastKey: last?.key ?? '',
      lastRevision: last?.revision ?? 0,
      lastDigest: last === undefined ? '' : digestOf(last.value),
    }
    if (prefixes.length === 1) return { ...listed, count }
    // The keys between the prefixes count, too.
    const request = { ...this.#range, revision: listed.revision, countOnly: true }
    const all = yield* this.#patiently(connection.call(rangeMethod, request), connection)
    return { ...listed, count: numberOf(all.count) }
  }

  /**
   * Goes on behind the position until continuity is lost. Where it was not just listed, nothing is yielded before it is
   * checked: the first progress is the word that it holds.
   * @throws when the link is lost
   */
  async *#follow(
    position: EtcdPosition,
    listed: boolean,
    connection: Connection,
  ): AsyncGenerator<Batch, { reason: Reset; wentOn: boolean }> {
    const feed = connection.watch()
    const forget = connection.onLost((lost) => feed.fail(lost))
    let quiet = 0
    const life = new LifeSign(
      connection,
      this.#options.io.clock,
      this.#options.settings.livenessMs,
      (alive) => {
        // A consumer that takes nothing holds back what the probe asks for, too.
        if (!feed.awaited) return
        quiet++
        if (alive) {
          this.#alive = true
          feed.wake()
        } else this.#probe(feed, connection)
      },
    )
    let wentOn = false
    try {
      const { fragments } = this.#options.memory
      feed.create(this.#range, position.revision + 1, fragments)
      const created = yield* this.#next(feed, listed)
      if (created.canceled) return { reason: await this.#explain(created, connection), wentOn }
      const check = checkPosition(position, this.#range, connection)
      const verdict = listed ? yield* this.#patiently(check, connection) : await check
      if (verdict.lost !== undefined) return { reason: verdict.lost, wentOn }
      const start = verdict.position
      wentOn = true
      yield { kind: 'progress', position: formatPosition(start) }
      const events = new EventFolder(start, this.#options.skipped)
      const marks = marksMovePosition(connection.status?.version)
      // Behind when the watch began: a delete at the border of a compaction may be lost on the way (W5).
      let target = numberOf(created.header.revision) > start.revision ? verdict.revision : 0
      let unchecked = 0
      for (;;) {
        const isQuiet = quiet > QUIET_LOOKS && feed.isEmpty
        const caughtUp = target > 0 && (isQuiet || events.position.revision >= target)
        if ((caughtUp || (isQuiet && unchecked >= BEHIND_MESSAGES)) && !events.amid) {
          target = 0
          unchecked = 0
          this.#options.memory.fragments = false
          const again = yield* this.#patiently(
            checkPosition(events.position, this.#range, connection),
            connection,
          )
          // The same server on the same link: what differs was compacted away before it was sent.
          if (again.lost !== undefined) return { reason: 'compacted', wentOn }
        }
        const response = feed.poll()
        if (response === undefined) {
          if (this.#alive) {
            this.#alive = false
            yield { kind: 'progress' }
          } else await feed.wait()
          continue
        }
        if (response.canceled) return { reason: await this.#explain(response, connection), wentOn }
        const batch = events.next(response, marks)
        if (response.events.length > 0) {
          quiet = 0
          unchecked++
        }
        if (isCatchUp(response)) target = Math.max(target, numberOf(response.header.revision))
        if (batch !== undefined) yield batch
      }
    } catch (error) {
      if (!isTooLarge(error)) throw error
      // W16: the next attempt differs.
      this.#options.memory.fragments = true
      const problem = 'a message is larger than maxMessageBytes; its parts are asked for next'
      throw new TransportUnavailableError(this.#options.settings.name, problem, { cause: error })
    } finally {
      life.stop()
      forget()
      feed.cancel()
    }
  }

  /** Waits for a message; with `telling`, life meanwhile is told. */
  async *#next(feed: WatchFeed, telling: boolean): AsyncGenerator<Batch, WatchResponse> {
    for (;;) {
      const response = feed.poll()
      if (response !== undefined) return response
      await feed.wait()
      if (this.#alive && telling) {
        this.#alive = false
        yield { kind: 'progress' }
      }
    }
  }

  /** Waits for an answer; as long as bytes of it arrive, the link lives. */
  async *#patiently<T>(answer: Promise<T>, connection: Connection): AsyncGenerator<Batch, T> {
    const { io, settings } = this.#options
    let wake = (): void => {}
    let settled = false
    const life = new LifeSign(connection, io.clock, settings.livenessMs, (alive) => {
      if (alive) wake()
    })
    const over = answer.then(
      () => {
        settled = true
      },
      () => {
        settled = true
      },
    )
    try {
      for (;;) {
        await Promise.race([over, new Promise<void>((resolve) => (wake = resolve))])
        if (settled) return await answer
        yield { kind: 'progress' }
      }
    } finally {
      life.stop()
    }
  }

  /** W13: a progress mark, and an answer to a read that the majority of the members agrees on. */
  #probe(feed: WatchFeed, connection: Connection): void {
    feed.requestProgress()
    const { key } = this.#range
    connection.call(rangeMethod, { key, keysOnly: true }).catch((error: unknown) => {
      feed.fail(error)
    })
  }

  /** Why the server has ended the watch; it tells in words only, so a read of the same keys is asked for the status. */
  async #explain(response: WatchResponse, connection: Connection): Promise<Reset> {
    if (numberOf(response.compactRevision) > 0) return 'compacted'
    await connection.call(rangeMethod, { ...this.#range, limit: 1, keysOnly: true })
    const problem = `the server has ended the watch: ${response.cancelReason}`
    throw new TransportUnavailableError(this.#options.settings.name, problem)
  }

  #translate(error: unknown): unknown {
    const { settings, prefixes } = this.#options
    if (answerOf(error) !== 'denied' || prefixes.length === 1) {
      return translate(settings.name, error)
    }
    const [from, to] = [this.#range.key, this.#range.rangeEnd].map((key) =>
      JSON.stringify(key.toString()),
    )
    const problem = `a watch on several prefixes needs the right to read all keys from ${from} to ${to}`
    return new AccessDeniedError(settings.name, problem, { cause: error })
  }
}

/** A watch in step gets each revision by itself, when it is the newest: others are read from the history. */
function isCatchUp({ events, header }: WatchResponse): boolean {
  const [first] = events
  return first !== undefined && numberOf(first.kv.modRevision) < numberOf(header.revision)
}
