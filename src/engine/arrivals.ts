import type { Clock } from '../api/clock.ts'
import type { Feed } from '../source/source.ts'
import type { SourceChange } from '../source/watch-loop.ts'

/** Written keys that a feed has not told of yet. */
export interface Arrival {
  /** Resolves when every feed has told of them, or after `timeoutMs`. */
  within(timeoutMs: number): Promise<void>
  stop(): void
}

/** Tells when what was written has come back through the feeds that watch it. */
export class Arrivals {
  readonly #clock: Clock
  readonly #feedsOf: (key: string) => Iterable<Feed>
  readonly #open = new Set<OpenArrival>()

  constructor(clock: Clock, feedsOf: (key: string) => Iterable<Feed>) {
    this.#clock = clock
    this.#feedsOf = feedsOf
  }

  /** Before they are written: what comes from now on counts. */
  expect(keys: readonly string[]): Arrival {
    const missing = new Map<Feed, Set<string>>()
    for (const key of keys) {
      for (const feed of this.#feedsOf(key)) {
        const expected = missing.get(feed) ?? new Set()
        missing.set(feed, expected.add(key))
      }
    }
    const arrival = new OpenArrival(this.#clock, missing, () => this.#open.delete(arrival))
    this.#open.add(arrival)
    return arrival
  }

  changed(feed: Feed, changes: readonly SourceChange[]): void {
    for (const arrival of this.#open) arrival.changed(feed, changes)
  }

  /** A new list, which may be of before the write: what it lacks comes as changes, and nothing tells which. */
  listed(feed: Feed): void {
    for (const arrival of this.#open) arrival.forget(feed)
  }
}

class OpenArrival implements Arrival {
  readonly #clock: Clock
  readonly #missing: Map<Feed, Set<string>>
  readonly #onStop: () => void
  #resolve: (() => void) | undefined

  constructor(clock: Clock, missing: Map<Feed, Set<string>>, onStop: () => void) {
    this.#clock = clock
    this.#missing = missing
    this.#onStop = onStop
  }

  changed(feed: Feed, changes: readonly SourceChange[]): void {
    const expected = this.#missing.get(feed)
    if (expected === undefined) return
    for (const { key } of changes) expected.delete(key)
    if (expected.size === 0) this.forget(feed)
  }

  forget(feed: Feed): void {
    this.#missing.delete(feed)
    if (this.#missing.size === 0) this.#resolve?.()
  }

  async within(timeoutMs: number): Promise<void> {
    if (this.#missing.size === 0) return
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(timeoutMs, resolve, { keepAlive: true })
      this.#resolve = () => {
        timer.stop()
        resolve()
      }
    })
  }

  stop(): void {
    this.#onStop()
    this.#resolve?.()
  }
}
