/**
 * Whether the queue goes on where the receiver's data ends (C1). The receiver's data is the feed's state less what is
 * queued, or
 *
 * - `broken`: something else. Nothing is queued, the next RESYNC has all.
 * - `resuming`: what a checkpoint says. The queue is right if the stream goes on from there.
 * - `unconfirmed`: what the last delivered event says, had it been taken. The queue is right, but nothing is delivered
 *   from it before a RESYNC is acknowledged.
 * - `intact`: just that. CHANGEs are delivered.
 */
type Phase = 'broken' | 'resuming' | 'unconfirmed' | 'intact'

/** What a registration may do with changes, by what its receiver has. */
export class Continuity {
  #phase: Phase = 'broken'
  #started = false

  /** The startup RESYNC was delivered, or a checkpoint stands for it. */
  get started(): boolean {
    return this.#started
  }

  get resuming(): boolean {
    return this.#phase === 'resuming'
  }

  /** CHANGEs may be delivered. */
  get intact(): boolean {
    return this.#phase === 'intact'
  }

  /** The queue goes on exactly where the last delivered event ended. */
  get tracking(): boolean {
    return this.#phase === 'intact' || this.#phase === 'unconfirmed'
  }

  /** Changes are worth queueing; else the next RESYNC has them. */
  get queueing(): boolean {
    return this.#phase !== 'broken'
  }

  /** A checkpoint stands for the startup RESYNC, if the stream goes on from it. */
  resume(): void {
    this.#phase = 'resuming'
  }

  /** The stream goes on from the checkpoint. */
  resumed(): void {
    this.#phase = 'intact'
    this.#started = true
  }

  /** A new list, or too much at once: a checkpoint is of no use either. */
  broke(): void {
    this.#phase = 'broken'
  }

  /** A RESYNC is delivered; what comes from now on follows it. */
  resynced(): void {
    this.#phase = 'unconfirmed'
    this.#started = true
  }

  /** The RESYNC is acknowledged, which says nothing about what broke since. */
  confirmed(): void {
    if (this.#phase === 'unconfirmed') this.#phase = 'intact'
  }

  /** The receiver has not taken what it was given: no CHANGE before the next RESYNC. */
  doubted(): void {
    if (this.#phase === 'intact') this.#phase = 'unconfirmed'
  }
}
