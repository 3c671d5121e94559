import type { Clock } from '../../api/clock.ts'
import { leaseGrantMethod } from './schema.ts'
import type { Int64 } from './schema.ts'
import type { Connection } from './connection.ts'

/** How long one lease is given to further puts; it lives longer by as much. */
const SHARED_MS = 1_000

interface Lease {
  readonly id: Promise<Int64>
  /** The same, once it is granted. */
  granted: Int64 | undefined
  readonly until: number
}

/**
 * Leases for times to live: puts with the same time within one second share one. A key lives for its time, rounded up
 * to whole seconds, and at most one second more; etcd's own minimum applies.
 */
export class Leases {
  readonly #clock: Clock
  readonly #leases = new Map<number, Lease>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @throws ServiceError of gRPC, as {@link Connection.call}; nothing was written then */
  forTtl(ttlMs: number, connection: Connection): Promise<Int64> {
    const seconds = Math.ceil(ttlMs / 1_000)
    const now = this.#clock.now()
    const known = this.#leases.get(seconds)
    // A clock that was put back must not keep a lease in use for long.
    if (known !== undefined && now < known.until && known.until - now <= SHARED_MS) return known.id
    for (const [other, { until }] of this.#leases) if (until <= now) this.#leases.delete(other)
    const id = connection.call(leaseGrantMethod, { TTL: seconds + 1 }).then(({ ID }) => ID)
    const lease: Lease = { id, granted: undefined, until: now + SHARED_MS }
    this.#leases.set(seconds, lease)
    id.then(
      (granted) => {
        lease.granted = granted
      },
      () => {
        if (this.#leases.get(seconds) === lease) this.#leases.delete(seconds)
      },
    )
    return id
  }

  /** The server does not know it any more. One that took its place meanwhile stays: many puts are refused at once. */
  forget(id: Int64): void {
    for (const [seconds, { granted }] of this.#leases) {
      if (granted === id) this.#leases.delete(seconds)
    }
  }
}
