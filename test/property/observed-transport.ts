import { PushQueue } from '../../src/kit/push-queue.ts'
import type { Batch, Io, Position, RawPair, Transport } from '../../src/index.ts'
import { listOf } from '../../src/kit/list-of.ts'
import { DelegatingTransport } from '../../src/testing/delegating-transport.ts'

const PAGE = 2

/**
 * A store seen as Redis shows it: no revisions, nothing to resume from, notifications that name keys and may be lost, a
 * reconcile that finds what was lost.
 */
export class ObservedTransport extends DelegatingTransport {
  /** Notifications are lost while it is set. */
  deaf = false
  readonly #streams = new Set<() => void>()

  constructor(inner: Transport) {
    super(inner, {
      capabilities: {
        ...inner.capabilities,
        resumable: false,
        storeRevisions: false,
        ordered: false,
        waitForApplied: false,
      },
      livenessMs: 0,
    })
  }

  /** Every stream lists again and compares, a page at a time. */
  reconcile(): void {
    for (const reconcile of this.#streams) reconcile()
  }

  override async *stream(
    prefixes: readonly string[],
    _from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    const queue = new PushQueue<Batch>(io.signal)
    let work: Promise<void> = Promise.resolve()
    const later = (task: () => Promise<void>): void => {
      work = work.then(async () => {
        if (!io.signal.aborted) await task()
      })
      work.catch((error: unknown) => queue.fail(error))
    }
    // Another value may come between two pages.
    const list = async (): Promise<void> => {
      for (const prefix of prefixes) {
        for await (const pairs of listOf(this.inner, prefix, io)) {
          for (let i = 0; i < pairs.length; i += PAGE) {
            const keys = pairs.slice(i, i + PAGE).map((pair) => pair.key)
            queue.push({ kind: 'pairs', pairs: (await this.inner.get(keys, io)).map(observed) })
          }
        }
      }
      queue.push({ kind: 'listed' })
    }
    const reconcile = (): void => later(list)
    this.#streams.add(reconcile)
    const watched = this.#notified(prefixes, io, (keys) => {
      if (!this.deaf) later(async () => queue.push(await this.#read(keys, io)))
    })
    watched.catch((error: unknown) => queue.fail(error))
    later(list)
    try {
      yield* queue
    } finally {
      this.#streams.delete(reconcile)
    }
  }

  /** Subscribes first; what the store lists itself is not looked at. */
  async #notified(
    prefixes: readonly string[],
    io: Io,
    marked: (keys: readonly string[]) => void,
  ): Promise<void> {
    for await (const batch of this.inner.stream(prefixes, undefined, io)) {
      if (batch.kind !== 'changes') continue
      batch.receipt?.routed([])
      marked([...new Set(batch.changes.map((c) => (c.type === 'put' ? c.pair.key : c.key)))])
    }
  }

  async #read(keys: readonly string[], io: Io): Promise<Batch> {
    const pairs = new Map((await this.inner.get(keys, io)).map((pair) => [pair.key, pair]))
    return {
      kind: 'changes',
      changes: keys.map((key) => {
        const pair = pairs.get(key)
        return pair === undefined
          ? { type: 'delete', key, revision: 0 }
          : { type: 'put', pair: observed(pair) }
      }),
    }
  }
}

/** One of its own: the core numbers it. */
function observed(pair: RawPair): RawPair {
  return { key: pair.key, value: pair.value, revision: 0, version: `v${pair.value.join()}` }
}
