import { ClosedError, InvalidOptionError, UnsupportedOptionError } from '../../api/errors.ts'
import type {
  Batch,
  Capabilities,
  CommitResult,
  Io,
  ListPart,
  RawPair,
  Transport,
} from '../../api/transport.ts'
import { inspectDataFile } from './data-file.ts'
import { formatOf, openForReading, steadily } from './database.ts'
import { openError, readError } from './errors.ts'
import type { LmdbSettings } from './options.ts'
import { pagesOf } from './pages-of.ts'
import { Store } from './store.ts'

/** Lists and reads a store, whoever holds it. It takes no part in its ownership. */
export class ReadOnlyLmdbTransport implements Transport {
  readonly name: string
  readonly capabilities: Capabilities
  readonly livenessMs = 0
  readonly #settings: LmdbSettings
  #opening: Promise<Store> | undefined
  #store: Store | undefined
  #closing: Promise<void> | undefined

  constructor(settings: LmdbSettings) {
    this.#settings = settings
    this.name = settings.name
    this.capabilities = {
      resumable: false,
      storeRevisions: true,
      ttl: false,
      conditionalPut: false,
      transactions: false,
      prefixDelete: false,
      waitForApplied: false,
      browser: false,
      ordered: true,
      maxValueBytes: settings.maxValueBytes,
      watchable: false,
    }
  }

  async open(io: Io): Promise<void> {
    if (this.#closing !== undefined) throw new ClosedError(this.name)
    const opening = (this.#opening ??= this.#open(io))
    try {
      this.#store = await opening
    } catch (error) {
      if (this.#opening === opening) this.#opening = undefined
      throw openError(error, this.#settings)
    }
    if (this.#closing !== undefined) throw new ClosedError(this.name)
  }

  /** @throws UnsupportedOptionError always: changes are told by the process that makes them */
  stream(): AsyncIterable<Batch> {
    throw new UnsupportedOptionError('watch', this.name, 'the store is open with readOnly')
  }

  async *list(prefix: string, io: Io, part?: ListPart): AsyncGenerator<readonly RawPair[]> {
    const store = this.#held()
    // Nobody may be there to delete what ran out.
    const skip = new Set(store.due(io.clock.now(), Number.MAX_SAFE_INTEGER))
    const snapshot = store.snapshot([prefix], { skip, after: part?.after })
    yield* pagesOf(snapshot, part?.limit, this.#settings, io)
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    const store = this.#held()
    const now = io.clock.now()
    try {
      return keys.flatMap((key) => {
        const isOver = (store.deadlineOf(key) ?? Infinity) <= now
        return isOver ? [] : (store.get(key) ?? [])
      })
    } catch (error) {
      throw readError(error, this.#settings)
    }
  }

  /** @throws UnsupportedOptionError always */
  async commit(): Promise<CommitResult> {
    throw new UnsupportedOptionError('a write', this.name, 'the store is open with readOnly')
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #open({ random }: Io): Promise<Store> {
    const { path } = this.#settings
    const isThere = inspectDataFile(path, 'read') === 'complete'
    const database = isThere ? await steadily(() => openForReading(path), random) : undefined
    const format = database && formatOf(database, path)
    if (database === undefined || format === undefined) {
      throw new InvalidOptionError('path', `${path} holds no store; readOnly makes none`)
    }
    return new Store(database, format.epoch)
  }

  async #close(): Promise<void> {
    const store = await this.#opening?.catch(() => undefined)
    await store?.close()
  }

  #held(): Store {
    if (this.#store === undefined || this.#closing !== undefined) throw new ClosedError(this.name)
    this.#store.refresh()
    return this.#store
  }
}
