import type { Batch, Position, Served } from '../../src/index.ts'
import { show } from './cache-harness.ts'
import { onTeardown } from './teardown.ts'
import { waitFor } from './wait-for.ts'

/** A watcher of another process, as a server serves it: it reads what there is as soon as it can. */
export class RemoteReader {
  readonly batches: Batch[] = []
  /** Key and value of each pair, as the batches add up to. */
  fold: Map<string, string> = new Map()
  position: Position | undefined
  resets = 0
  /** When the last list was complete, by `performance.now`. */
  listedAt = 0
  /** Why the stream failed. */
  error: unknown
  readonly #end = new AbortController()
  #staged: Map<string, string> = new Map()

  constructor(served: Served, prefixes: readonly string[], from?: Position) {
    onTeardown(() => this.#end.abort())
    const stream = served.stream(prefixes, from, this.#end.signal)
    const reading = (async () => {
      for await (const batch of stream) this.#add(batch)
    })()
    reading.catch((error: unknown) => {
      this.error = error
    })
  }

  /** One line per batch. */
  get lines(): string[] {
    return this.batches.map(show)
  }

  async until(line: string): Promise<void> {
    await waitFor(() => this.batches.some((batch) => show(batch) === line), {
      describe: () => `${line}; ${this.lines.join('; ')}`,
    })
  }

  stop(): void {
    this.#end.abort()
  }

  #add(batch: Batch): void {
    this.batches.push(batch)
    if ('position' in batch) this.position = batch.position
    switch (batch.kind) {
      case 'reset':
        this.resets++
        this.#staged = new Map()
        return
      case 'pairs':
        for (const { key, value } of batch.pairs) this.#staged.set(key, text(value))
        return
      case 'listed':
        this.fold = this.#staged
        this.#staged = new Map()
        this.listedAt = performance.now()
        return
      case 'changes':
        for (const change of batch.changes) {
          if (change.type === 'put') this.fold.set(change.pair.key, text(change.pair.value))
          else this.fold.delete(change.key)
        }
        return
      case 'progress':
    }
  }
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value)
}
