import type { Position, Receipt, Transport } from '../api/transport.ts'
import type { Checkpoint } from '../api/watcher.ts'
import type { Feed, Source } from '../source/source.ts'
import type { SourceChange } from '../source/watch-loop.ts'
import { readCheckpoint } from './checkpoint.ts'
import type { Registration } from './registration.ts'
import { Router } from './router.ts'
import type { FeedShares, PrefixFeed } from './routes.ts'

/** Which registrations of an engine share which feeds of its source. */
export class Switchboard {
  readonly transport: Transport
  readonly source: Source
  readonly #routers = new Map<Feed, Router>()

  constructor(transport: Transport, source: Source) {
    this.transport = transport
    this.source = source
  }

  sharesOf(registration: Registration): FeedShares {
    return new Shares(this, registration)
  }

  /** Those that hold the feed now. */
  sharers(feed: Feed): Iterable<Registration> {
    return this.#routers.get(feed)?.members ?? []
  }

  dispatch(
    feed: Feed,
    changes: readonly SourceChange[],
    before: Position | undefined,
    receipt: Receipt | undefined,
  ): void {
    const router = this.#routers.get(feed)
    if (router === undefined) receipt?.routed([])
    else router.dispatch(feed, changes, before, receipt)
  }

  router(feed: Feed): Router {
    let router = this.#routers.get(feed)
    if (router === undefined) {
      router = new Router()
      this.#routers.set(feed, router)
    }
    return router
  }

  leave(registration: Registration, prefix: string, feed: Feed): void {
    this.router(feed).leave(registration, prefix)
    if (this.source.leave(feed, prefix)) this.#routers.delete(feed)
  }
}

class Shares implements FeedShares {
  readonly #board: Switchboard
  readonly #registration: Registration

  constructor(board: Switchboard, registration: Registration) {
    this.#board = board
    this.#registration = registration
  }

  join(prefix: string): Feed {
    const feed = this.#board.source.join(prefix)
    this.#board.router(feed).join(this.#registration)
    return feed
  }

  rejoin(prefix: string, feed: Feed): Feed {
    this.#board.source.share(feed, prefix)
    this.#board.router(feed).join(this.#registration)
    return feed
  }

  joinTwin(prefix: string, feed: Feed): Feed | undefined {
    const twin = this.#board.source.twin(feed, prefix)
    return twin === undefined ? undefined : this.rejoin(prefix, twin)
  }

  resume(prefixes: readonly string[], checkpoint: Checkpoint): PrefixFeed[] | undefined {
    const { transport, source } = this.#board
    if (!transport.capabilities.resumable) return undefined
    const parts = readCheckpoint(checkpoint, transport.name, prefixes)
    return parts?.flatMap((part) => {
      const feed = source.resume(part.prefixes, part.position, part.pairs)
      return part.prefixes.map((prefix) => {
        this.#board.router(feed).join(this.#registration)
        return { prefix, feed }
      })
    })
  }

  route(prefix: string, feed: Feed): void {
    this.#board.router(feed).route(this.#registration, prefix)
  }

  leave(prefix: string, feed: Feed): void {
    this.#board.leave(this.#registration, prefix, feed)
  }
}
