import type { Io } from '../../../api/transport.ts'
import { Deadline } from '../../../kit/deadline.ts'
import { Fifo } from '../../../kit/fifo.ts'

/** Bytes that may wait for a slow client; then the writer waits. */
const WINDOW_BYTES = 1_048_576

/** What an {@link Outlet} writes to. */
export interface Sink {
  write(frame: Buffer, callback: () => void): boolean
}

export interface OutletOptions {
  readonly clock: Io['clock']
  /** A client that takes nothing for this long while something waits is given up. */
  readonly writeTimeoutMs: number
  /** Called once then. */
  readonly onStuck: () => void
}

/** Writes frames to one client, with a bound on what waits (W24). */
export class Outlet {
  readonly #sink: Sink
  readonly #options: OutletOptions
  readonly #frames = new Fifo<Buffer>()
  #waiting = 0
  #wake: (() => void) | undefined
  #onDrained: (() => void) | undefined
  readonly #deadline: Deadline
  #closed = false
  readonly #onWritten: () => void

  constructor(sink: Sink, options: OutletOptions) {
    this.#sink = sink
    this.#options = options
    this.#deadline = new Deadline(options.clock, options.onStuck)
    this.#onWritten = () => {
      this.#waiting -= sizeOf(this.#frames.shift())
      if (this.#closed) return
      if (this.#frames.size > 0) this.#deadline.set(this.#options.writeTimeoutMs)
      else this.#deadline.clear()
      if (!this.full) this.#release()
      if (this.#frames.size === 0) this.#onDrained?.()
    }
  }

  /** One more frame has to wait. */
  get full(): boolean {
    return !this.#closed && this.#waiting >= WINDOW_BYTES
  }

  /** Something is on its way. */
  get waiting(): boolean {
    return this.#frames.size > 0
  }

  write(frame: Buffer): void {
    if (this.#closed) return
    if (this.#frames.size === 0) this.#deadline.set(this.#options.writeTimeoutMs)
    this.#frames.push(frame)
    this.#waiting += sizeOf(frame)
    this.#sink.write(frame, this.#onWritten)
  }

  /** Resolves when all is on its way, or it is closed. One waits at a time, for this or for room. */
  drained(): Promise<void> {
    if (this.#closed || this.#frames.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onDrained = resolve
    })
  }

  /** Resolves when there is room, or it is closed. One waits at a time. */
  room(): Promise<void> {
    if (!this.full) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  /** Nothing is written any more; who waits goes on. */
  close(): void {
    this.#closed = true
    this.#deadline.stop()
    this.#release()
  }

  #release(): void {
    if (this.#closed) this.#onDrained?.()
    this.#wake?.()
    this.#wake = undefined
  }
}

/** What the driver keeps beside the frame itself. */
const FRAME_BYTES = 64

function sizeOf(frame: Buffer | undefined): number {
  return frame === undefined ? 0 : frame.length + FRAME_BYTES
}
