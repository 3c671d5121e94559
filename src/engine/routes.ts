import { hasPrefix } from '../api/key.ts'
import type { RawPair } from '../api/transport.ts'
import type { Checkpoint } from '../api/watcher.ts'
import { coverOf, PrefixIndex } from '../kit/prefix-index.ts'
import type { Feed } from '../source/source.ts'
import { makeCheckpoint } from './checkpoint.ts'
import type { PendingChange } from './pending-change.ts'

/** The shares of one registration in the feeds of its engine. */
export interface FeedShares {
  /** Takes a share in a feed for a prefix; to be given back by `leave`. */
  join(prefix: string): Feed
  /** One more share in a feed that it has already. */
  rejoin(prefix: string, feed: Feed): Feed
  /** A share in a shared feed that stands where this one does, or undefined. */
  joinTwin(prefix: string, feed: Feed): Feed | undefined
  /** Feeds that go on from a checkpoint, or undefined when it cannot be used. */
  resume(prefixes: readonly string[], checkpoint: Checkpoint): PrefixFeed[] | undefined
  /** Changes under the prefix come from now on. */
  route(prefix: string, feed: Feed): void
  leave(prefix: string, feed: Feed): void
}

/** A prefix that is watched through a feed. */
export interface PrefixFeed {
  readonly prefix: string
  readonly feed: Feed
}

interface Route extends PrefixFeed {
  /** The feed goes on from a checkpoint. */
  readonly own: boolean
}

/**
 * The prefixes of one registration and the feeds behind them. What `add` changes takes effect with the next RESYNC
 * (`activate`); what `remove` changes, at once.
 */
export class Routes {
  readonly #shares: FeedShares
  #prefixes: string[]
  /** Where changes come from now. */
  #active: readonly Route[] = []
  /** Where the next RESYNC's pairs come from, until it is delivered. */
  #next: readonly Route[] | undefined
  #activated = false
  /** Some active route is its own; asked after every event. */
  #hasOwn = false

  constructor(shares: FeedShares, prefixes: readonly string[]) {
    this.#shares = shares
    this.#prefixes = [...new Set(prefixes)]
  }

  get prefixes(): readonly string[] {
    return [...this.#prefixes]
  }

  /** Everything is listed and its stream open. */
  get live(): boolean {
    return (
      this.#active.every((route) => route.feed.live) &&
      (this.#next?.every((route) => route.feed.live) ?? true)
    )
  }

  /** A prefix waits for the next RESYNC. */
  get changing(): boolean {
    return this.#next !== undefined
  }

  covers(key: string): boolean {
    return this.#prefixes.some((prefix) => hasPrefix(key, prefix))
  }

  uses(feed: Feed): boolean {
    return this.#active.some((route) => route.feed === feed)
  }

  start(): void {
    this.#next = this.#joined()
    // Nothing is queued before the first RESYNC, but a write may already wait for the RESYNC that carries it.
    this.#route(this.#next)
  }

  /** Goes on through feeds of its own, which come from a checkpoint. False: it cannot be used. */
  resume(checkpoint: Checkpoint): boolean {
    const routes = this.#shares.resume(this.#prefixes, checkpoint)
    if (routes === undefined) return false
    this.#active = routes.map((route) => ({ ...route, own: true }))
    this.#hasOwn = true
    this.#activated = true
    this.#route(this.#active)
    return true
  }

  /** False: the prefix is known. */
  add(prefix: string): boolean {
    if (this.#prefixes.includes(prefix)) return false
    this.#prefixes.push(prefix)
    const before = this.#next ?? []
    this.#next = this.#joined()
    this.#leave(before)
    // What was left may have been the same share that is in use.
    this.#route(this.#activated ? this.#active : this.#next)
    return true
  }

  /** What is still watched afterwards; undefined: the prefix was not. */
  remove(prefix: string): { covers(key: string): boolean } | undefined {
    if (!this.#prefixes.includes(prefix)) return undefined
    this.#prefixes = this.#prefixes.filter((known) => known !== prefix)
    const cover = coverOf(this.#prefixes)
    const narrowed = (routes: readonly Route[]): Route[] =>
      routes.flatMap((route) => {
        const inside = cover.some((rest) => hasPrefix(route.prefix, rest))
        const parts = inside
          ? [route.prefix]
          : cover.filter((rest) => hasPrefix(rest, route.prefix))
        return parts.map((part) => ({
          ...route,
          prefix: part,
          feed: this.#shares.rejoin(part, route.feed),
        }))
      })
    const before = [...this.#active, ...(this.#next ?? [])]
    this.#active = narrowed(this.#active)
    if (this.#next !== undefined) this.#next = narrowed(this.#next)
    this.#leave(before)
    this.#route(this.#activated ? this.#active : (this.#next ?? []))
    const index = new PrefixIndex<true>()
    for (const rest of cover) index.set(rest, true)
    return index
  }

  /** A RESYNC is delivered: from now on changes come for all prefixes. */
  activate(): void {
    this.#activated = true
    const next = this.#next
    if (next === undefined) return
    this.#next = undefined
    this.#leave(this.#active)
    this.#active = next
    this.#route(next)
  }

  /** The pairs under every prefix now. */
  views(): ReadonlyMap<string, readonly RawPair[]> {
    const views = new Map<string, readonly RawPair[]>()
    for (const prefix of this.#prefixes) {
      const route = this.#active.find((candidate) => hasPrefix(prefix, candidate.prefix))
      views.set(prefix, route?.feed.values.view(prefix) ?? [])
    }
    return views
  }

  /** How many pairs views hold; one under two prefixes counts once. */
  count(views: ReadonlyMap<string, readonly RawPair[]>): number {
    let pairs = 0
    for (const prefix of coverOf(this.#prefixes)) pairs += views.get(prefix)?.length ?? 0
    return pairs
  }

  checkpoint(transport: string, pending: readonly PendingChange[]): Checkpoint | undefined {
    return makeCheckpoint(transport, this.#prefixes, this.#active, pending)
  }

  /**
   * Leaves feeds of its own for shared ones that stand at the same position. Only while nothing of theirs is queued:
   * changes belong to the feed that told them.
   */
  changeOver(): void {
    if (!this.#hasOwn) return
    this.#active = this.#active.map((route) => {
      const { prefix, feed, own } = route
      const twin = own ? this.#shares.joinTwin(prefix, feed) : undefined
      if (twin === undefined) return route
      this.#shares.route(prefix, twin)
      this.#leave([route])
      return { prefix, feed: twin, own: false }
    })
    this.#hasOwn = this.#active.some((route) => route.own)
  }

  close(): void {
    this.#leave([...this.#active, ...(this.#next ?? [])])
    this.#active = []
    this.#next = undefined
  }

  #joined(): Route[] {
    return coverOf(this.#prefixes).map((prefix) => ({
      prefix,
      feed: this.#shares.join(prefix),
      own: false,
    }))
  }

  #route(routes: readonly Route[]): void {
    for (const { prefix, feed } of routes) this.#shares.route(prefix, feed)
  }

  #leave(routes: readonly Route[]): void {
    for (const { prefix, feed } of routes) this.#shares.leave(prefix, feed)
  }
}
