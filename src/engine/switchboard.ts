import type { Position, Receipt, Transport } from '../api/transport.ts'
import type { Feed, Source } from '../source/source.ts'
import type { SourceChange } from '../source/watch-loop.ts'
import { readCheckpoint } from './checkpoint.ts'
import type { Registration } from './registration.ts'
import { Router } from './router.ts'
import type { FeedShares } from './routes.ts'

/** Which registrations of an engine share which feeds of its source. */
export class Switchboard {
  readonly #transport: Transport
  readonly #source: Source
  readonly #routers = new Map<Feed, Router>()

  constructor(transport: Transport, source: Source) {
    this.#transport = transport
    this.#source = source
  }

  sharesOf(registration: Registration): FeedShares {
    const take = (prefix: string, feed: Feed): Feed => {
      this.#source.share(feed, prefix)
      this.#router(feed).join(registration)
      return feed
    }
    return {
      join: (prefix) => {
        const feed = this.#source.join(prefix)
        this.#router(feed).join(registration)
        return feed
      },
      rejoin: take,
      joinTwin: (prefix, feed) => {
        const twin = this.#source.twin(feed, prefix)
        return twin === undefined ? undefined : take(prefix, twin)
      },
      resume: (prefixes, checkpoint) => {
        if (!this.#transport.capabilities.resumable) return undefined
        const parts = readCheckpoint(checkpoint, this.#transport.name, prefixes)
        return parts?.flatMap((part) => {
          const feed = this.#source.resume(part.prefixes, part.position, part.pairs)
          return part.prefixes.map((prefix) => {
            this.#router(feed).join(registration)
            return { prefix, feed }
          })
        })
      },
      route: (prefix, feed) => this.#router(feed).route(registration, prefix),
      leave: (prefix, feed) => {
        this.#router(feed).leave(registration, prefix)
        if (this.#source.leave(feed, prefix)) this.#routers.delete(feed)
      },
    }
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

  #router(feed: Feed): Router {
    let router = this.#routers.get(feed)
    if (router === undefined) {
      router = new Router()
      this.#routers.set(feed, router)
    }
    return router
  }
}
