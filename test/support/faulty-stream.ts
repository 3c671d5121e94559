import type { Batch, Io } from '../../src/api/transport.ts'

/** One stream of a transport that can be failed and held while somebody waits for its next batch. */
export class FaultyStream {
  readonly #io: Io
  readonly #stop = new AbortController()
  readonly #batches: AsyncIterator<Batch>
  /** The batch being fetched; kept when its reader is sent away by a fault. */
  #fetching: Promise<IteratorResult<Batch>> | undefined
  #failure: { readonly error: unknown } | undefined
  #hanging = false
  #wake: () => void = () => {}

  constructor(io: Io, open: (io: Io) => AsyncIterable<Batch>) {
    this.#io = io
    const signal = AbortSignal.any([io.signal, this.#stop.signal])
    this.#batches = open({ ...io, signal })[Symbol.asyncIterator]()
    io.signal.addEventListener('abort', this.#wakeUp, { once: true })
  }

  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#wake()
  }

  hang(): void {
    this.#hanging = true
  }

  resume(): void {
    this.#hanging = false
    this.#wake()
  }

  /** The next batch, `delayMs` late; undefined at the end or when the signal was aborted. */
  async next(delayMs: number): Promise<Batch | undefined> {
    this.#fetching ??= this.#batches.next()
    let result: IteratorResult<Batch> | undefined
    let error: { readonly cause: unknown } | undefined
    const fetched = this.#fetching.then(
      (value) => {
        result = value
        this.#wake()
      },
      (cause: unknown) => {
        error = { cause }
        this.#wake()
      },
    )
    let late = delayMs === 0
    while (!late || this.#hanging || (result === undefined && error === undefined)) {
      if (this.#failure !== undefined || this.#io.signal.aborted) break
      const arrived = result !== undefined || error !== undefined
      const timer =
        arrived && !late
          ? this.#io.clock.after(delayMs, () => {
              late = true
              this.#wake()
            })
          : undefined
      // oxlint-disable-next-line no-await-in-loop -- waiting for the next word is the purpose
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      if (!late) timer?.stop()
    }
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#io.signal.aborted) return undefined
    await fetched
    this.#fetching = undefined
    if (error !== undefined) throw error.cause
    return result?.done === true ? undefined : result?.value
  }

  /** Ends the stream underneath; nobody answers for what it still had. */
  close(): void {
    this.#io.signal.removeEventListener('abort', this.#wakeUp)
    this.#stop.abort()
    void this.#discard()
  }

  readonly #wakeUp = (): void => this.#wake()

  async #discard(): Promise<void> {
    try {
      const last = await this.#fetching
      if (last?.done === false && last.value.kind === 'changes') last.value.receipt?.routed([])
      await this.#batches.return?.()
    } catch (error) {
      this.#io.logger.debug({ error }, 'a stream failed that nobody reads any more')
    }
  }
}
