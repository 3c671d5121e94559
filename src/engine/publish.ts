import { isObservable, Observable } from 'rxjs'
import { InvalidOptionError, OverflowError } from '../api/errors.ts'
import type { KeyProtoValWriter, Publication, PublishResult } from '../api/writer.ts'
import { OrderedWindow, pullInto } from '../kit/ordered-window.ts'

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
    const writes = new KeyedWrites(writer)
    const window = new OrderedWindow<Publication, PublishResult>({
      window: WINDOW,
      queueLimit: QUEUE_LIMIT,
      run: (publication, done) => void writes.run(publication).then(done),
      overflow: (publication) => ({
        ok: false,
        key: keyOf(publication),
        error: new OverflowError('the publish queue', QUEUE_LIMIT),
      }),
      emit: (result) => subscriber.next(result),
    })
    const stop = (): void => {
      window.stop()
      writes.stop()
    }
    if (isObservable(changes)) {
      const subscription = changes.subscribe({
        next: (publication) => window.offer(publication),
        error: (error: unknown) => void window.drained().then(() => subscriber.error(error)),
        complete: () => void window.drained().then(() => subscriber.complete()),
      })
      return () => {
        subscription.unsubscribe()
        stop()
      }
    }
    const inputs = changes[Symbol.asyncIterator]()
    let ended = false
    pullInto(inputs, window, () => {
      ended = true
    }).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    )
    return () => {
      stop()
      // Not only behind its next input, which may never come.
      if (!ended) inputs.return?.().catch(() => {})
    }
  })
}

/** Writes of one key go one after the other. */
class KeyedWrites {
  readonly #writer: PointWriter
  readonly #tails = new Map<string, Promise<PublishResult>>()
  #stopped = false

  constructor(writer: PointWriter) {
    this.#writer = writer
  }

  /** Does not reject. */
  run(publication: Publication): Promise<PublishResult> {
    if (typeof publication !== 'object' || publication === null) {
      const error = new InvalidOptionError('publication', 'must be an object with a key')
      return Promise.resolve({ ok: false, key: '', error })
    }
    const { key } = publication
    const before = this.#tails.get(key)
    const write = (): Promise<PublishResult> => this.#write(publication)
    const written = before === undefined ? write() : before.then(write)
    this.#tails.set(key, written)
    void written.then(() => {
      if (this.#tails.get(key) === written) this.#tails.delete(key)
    })
    return written
  }

  /** A write of the same key may be under way when the results lose their reader: no further one begins. */
  stop(): void {
    this.#stopped = true
  }

  async #write(publication: Publication): Promise<PublishResult> {
    const { key } = publication
    if (this.#stopped) return { ok: false, key, error: undefined }
    try {
      if (publication.delete === true) {
        const { key: _key, delete: _delete, ...options } = publication
        const { deleted } = await this.#writer.delete(key, options)
        return { ok: true, key, ...(deleted === undefined ? {} : { deleted }) }
      }
      const { key: _key, message, delete: _delete, ...options } = publication
      const { version } = await this.#writer.put(key, message, options)
      return { ok: true, key, version }
    } catch (error) {
      return { ok: false, key, error }
    }
  }
}

function keyOf(publication: unknown): string {
  const key =
    typeof publication === 'object' && publication !== null && 'key' in publication
      ? publication.key
      : ''
  return typeof key === 'string' ? key : ''
}
