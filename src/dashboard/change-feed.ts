import type { Timer } from '../api/clock.ts'
import type { Served } from '../api/served.ts'
import type { Batch, RawChange } from '../api/transport.ts'
import type { EventSink } from './event-sink.ts'
import type { ChangesMessage, ChangeView, WatchMessage } from './protocol.ts'
import { errorText } from './record.ts'
import type { Values } from './values.ts'

/** Changes are sent together, this long after the first. */
const GATHER_MS = 100
/** More of them in that time are counted only: nobody reads a thousand lines a second. */
const MOST = 100
/** Characters of a value. */
const PREVIEW = 1_000

/** The changes under a prefix to one page, as they come; bounded, whatever the rate. */
export class ChangeFeed {
  readonly #served: Served
  readonly #prefix: string
  readonly #values: Values
  readonly #sink: EventSink
  #changes: ChangeView[] = []
  #skipped = 0
  #pairs = 0
  #timer: Timer | undefined

  constructor(served: Served, prefix: string, values: Values, sink: EventSink) {
    this.#served = served
    this.#prefix = prefix
    this.#values = values
    this.#sink = sink
  }

  /** Ends with the page, with the agent, or where the store cannot be watched. What mends itself is not told here. */
  async run(): Promise<void> {
    const { signal } = this.#sink
    const { io } = this.#served
    const gone = this.#served.watching('dashboard')
    try {
      for await (const batch of this.#served.stream([this.#prefix], undefined, signal)) {
        this.#take(batch)
      }
    } catch (error) {
      if (!signal.aborted && !io.signal.aborted) {
        this.#tell({ state: 'lost', error: errorText(error), at: io.clock.now() })
      }
    } finally {
      gone()
      this.#timer?.stop()
    }
  }

  #take(batch: Batch): void {
    const at = this.#served.io.clock.now()
    switch (batch.kind) {
      case 'pairs':
        this.#pairs += batch.pairs.length
        break
      case 'listed':
        this.#tell({ state: 'live', pairs: this.#pairs, at })
        this.#pairs = 0
        break
      case 'changes':
        for (const change of batch.changes) this.#add(change, at)
        break
      case 'progress':
        break
      case 'reset':
        this.#pairs = 0
        this.#tell({ state: 'reset', reason: batch.reason, at })
        break
    }
  }

  #add(change: RawChange, at: number): void {
    const { key, revision } = change.type === 'put' ? change.pair : change
    if (!key.startsWith(this.#prefix)) return
    if (this.#changes.length >= MOST || this.#sink.behind) this.#skipped++
    else {
      const value =
        change.type === 'put' ? this.#values.view(key, change.pair.value, PREVIEW) : undefined
      const { type } = change
      this.#changes.push({ type, key, revision, at, ...(value === undefined ? {} : { value }) })
    }
    this.#timer ??= this.#served.io.clock.after(GATHER_MS, () => this.#flush())
  }

  #flush(): void {
    this.#timer = undefined
    if (this.#changes.length === 0 && this.#skipped === 0) return
    const message: ChangesMessage = { changes: this.#changes, skipped: this.#skipped }
    this.#changes = []
    this.#skipped = 0
    this.#sink.send('changes', JSON.stringify(message))
  }

  /** What came before it goes before it. */
  #tell(message: WatchMessage): void {
    this.#flush()
    this.#sink.send('watch', JSON.stringify(message))
  }
}
