import { isObservable, Observable } from 'rxjs'
import { InvalidOptionError, OverflowError } from '../api/errors.ts'
import type { KeyProtoValWriter, Publication, PublishResult } from '../api/writer.ts'

/** Writes under way. */
const WINDOW = 256
/** Inputs of an Observable that may wait (datasync.md §2). */
const QUEUE_LIMIT = 10_000

type PointWriter = Pick<KeyProtoValWriter, 'put' | 'delete'>

/**
 * Writes what comes; see `publish` of {@link KeyProtoValWriter}. Cold: it begins with the subscription.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) when it is neither
 */
export function publish(
  writer: PointWriter,
  changes: Observable<Publication> | AsyncIterable<Publication>,
): Observable<PublishResult> {
  if (!isObservable(changes) && typeof changes?.[Symbol.asyncIterator] !== 'function') {
    throw new InvalidOptionError('changes', 'must be an Observable or an AsyncIterable')
  }
  return new Observable((subscriber) => {
    const window = new PublishWindow(writer, (result) => subscriber.next(result))
    if (isObservable(changes)) {
      const subscription = changes.subscribe({
        next: (publication) => window.offer(publication),
        error: (error: unknown) => void window.drained().then(() => subscriber.error(error)),
        complete: () => void window.drained().then(() => subscriber.complete()),
      })
      return () => {
        subscription.unsubscribe()
        window.stop()
      }
    }
    const inputs = changes[Symbol.asyncIterator]()
    let ended = false
    pull(inputs, window, () => {
      ended = true
    }).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    )
    return () => {
      window.stop()
      // Not only behind its next input, which may never come.
      if (!ended) inputs.return?.().catch(() => {})
    }
  })
}

/** No faster than the window takes. */
async function pull(
  inputs: AsyncIterator<Publication>,
  window: PublishWindow,
  ended: () => void,
): Promise<void> {
  try {
    while (!window.stopped) {
      const input = await inputs.next()
      if (input.done === true) break
      await window.room()
      window.offer(input.value)
    }
  } finally {
    ended()
    await window.drained()
  }
}

/** One input until its result is out. */
interface Slot {
  readonly publication: Publication
  result: PublishResult | undefined
}

/** Bounded writes, results in the order of the inputs; writes of one key go one after the other. */
class PublishWindow {
  readonly #writer: PointWriter
  readonly #emit: (result: PublishResult) => void
  /** Inputs whose result is not out yet, in order. */
  #slots: Slot[] = []
  #waiting: Slot[] = []
  #underway = 0
  #emitting = false
  #stopped = false
  readonly #tails = new Map<string, Promise<void>>()
  #wakers: (() => void)[] = []

  constructor(writer: PointWriter, emit: (result: PublishResult) => void) {
    this.#writer = writer
    this.#emit = emit
  }

  get stopped(): boolean {
    return this.#stopped
  }

  offer(publication: Publication): void {
    if (this.#stopped) return
    const slot: Slot = { publication, result: undefined }
    this.#slots.push(slot)
    if (typeof publication !== 'object' || publication === null) {
      const error = new InvalidOptionError('publication', 'must be an object with a key')
      this.#finish(slot, { ok: false, key: '', error })
      return
    }
    if (this.#waiting.length >= QUEUE_LIMIT) {
      this.#finish(slot, {
        ok: false,
        key: publication.key,
        error: new OverflowError('the publish queue', QUEUE_LIMIT),
      })
      return
    }
    this.#waiting.push(slot)
    this.#fill()
  }

  /** Resolves when one more input may be offered without waiting. */
  async room(): Promise<void> {
    while (!this.#stopped && this.#slots.length >= WINDOW) await this.#woken()
  }

  async drained(): Promise<void> {
    while (!this.#stopped && this.#slots.length > 0) await this.#woken()
  }

  stop(): void {
    this.#stopped = true
    this.#waiting = []
    this.#wake()
  }

  #fill(): void {
    let taken = 0
    while (this.#underway < WINDOW && taken < this.#waiting.length) {
      this.#start(this.#waiting[taken] as Slot)
      taken++
    }
    if (taken > 0) this.#waiting.splice(0, taken)
  }

  #start(slot: Slot): void {
    this.#underway++
    const { key } = slot.publication
    const before = this.#tails.get(key)
    const written = before === undefined ? this.#write(slot) : before.then(() => this.#write(slot))
    this.#tails.set(key, written)
    void written.then(() => {
      if (this.#tails.get(key) === written) this.#tails.delete(key)
      this.#underway--
      if (!this.#stopped) this.#fill()
    })
  }

  async #write(slot: Slot): Promise<void> {
    // A write of the same key was under way when the results lost their reader.
    if (this.#stopped) return
    const { publication } = slot
    const { key } = publication
    try {
      if (publication.delete === true) {
        const { key: _key, delete: _delete, ...options } = publication
        const { deleted } = await this.#writer.delete(key, options)
        this.#finish(slot, { ok: true, key, ...(deleted === undefined ? {} : { deleted }) })
      } else {
        const { key: _key, message, delete: _delete, ...options } = publication
        const { version } = await this.#writer.put(key, message, options)
        this.#finish(slot, { ok: true, key, version })
      }
    } catch (error) {
      this.#finish(slot, { ok: false, key, error })
    }
  }

  #finish(slot: Slot, result: PublishResult): void {
    slot.result = result
    // From inside a result that is being told: the loop below comes to it.
    if (this.#emitting) return
    this.#emitting = true
    let out = 0
    for (let next = this.#slots[0]?.result; next !== undefined; next = this.#slots[out]?.result) {
      out++
      if (!this.#stopped) this.#emit(next)
    }
    this.#slots.splice(0, out)
    this.#emitting = false
    if (out > 0) this.#wake()
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve))
  }

  #wake(): void {
    const wakers = this.#wakers
    this.#wakers = []
    for (const wake of wakers) wake()
  }
}
