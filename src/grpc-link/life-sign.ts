import type { Timer } from '../api/clock.ts'
import type { Io } from '../api/transport.ts'

/** What is looked at: a {@link GrpcLink}, or what holds one. */
export interface Receiving {
  /** All bytes received so far. */
  readonly bytesRead: number
}

/** Looks per liveness bound: of two in a row one finds the answer to what the other asked. */
const LOOKS = 4

/**
 * Notices whether bytes come on a connection, and asks for some when they do not (W13). Nothing is taken for a sign of
 * life but what the server has sent.
 */
export class LifeSign {
  readonly #connection: Receiving
  readonly #clock: Io['clock']
  readonly #everyMs: number
  readonly #onLook: (alive: boolean) => void
  #timer: Timer | undefined
  #seen: number

  /** `onLook` is called after each interval; when nothing came, it asks. */
  constructor(
    connection: Receiving,
    clock: Io['clock'],
    livenessMs: number,
    onLook: (alive: boolean) => void,
  ) {
    this.#connection = connection
    this.#clock = clock
    this.#everyMs = livenessMs / LOOKS
    this.#onLook = onLook
    this.#seen = connection.bytesRead
    this.#arm()
  }

  stop(): void {
    this.#timer?.stop()
  }

  #arm(): void {
    this.#timer = this.#clock.after(this.#everyMs, () => {
      const bytes = this.#connection.bytesRead
      const alive = bytes !== this.#seen
      this.#seen = bytes
      this.#arm()
      this.#onLook(alive)
    })
  }
}
