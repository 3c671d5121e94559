import { silentLogger } from '../../src/api/logger.ts'
import type { Batch, BatchIterator, Io, Position } from '../../src/api/transport.ts'
import { WatchCache } from '../../src/source/watch-cache.ts'
import type { WatchCacheOptions } from '../../src/source/watch-cache.ts'
import { FakeClock, ScriptedTransport } from '../../src/testing/index.ts'
import type { ScriptedStream, ScriptedTransportOptions } from '../../src/testing/index.ts'

export interface CacheHarnessOptions extends Partial<
  Pick<WatchCacheOptions, 'historyLimit' | 'historyBytes' | 'resetJitterMs' | 'prefixes'>
> {
  readonly transport?: ScriptedTransportOptions
  readonly random?: () => number
}

/** A cache whose upstream and clock a test moves. */
export class CacheHarness {
  readonly clock: FakeClock = new FakeClock()
  readonly transport: ScriptedTransport
  readonly cache: WatchCache
  readonly #io: Omit<Io, 'signal'>

  constructor({ transport, random = () => 0.5, ...options }: CacheHarnessOptions = {}) {
    this.transport = new ScriptedTransport(transport)
    this.#io = { logger: silentLogger, clock: this.clock, random }
    this.cache = new WatchCache({
      prefixes: [''],
      ...options,
      transport: this.transport,
      io: { ...this.#io, signal: new AbortController().signal },
    })
  }

  /** The upstream's stream, by the number of its call. */
  upstream(index = 0): ScriptedStream {
    return this.transport.script.stream(index)
  }

  reader(
    prefixes: readonly string[] = [''],
    { from, remote = false }: { from?: Position | undefined; remote?: boolean } = {},
  ): CacheTestReader {
    const end = new AbortController()
    const stream = this.cache.stream({ prefixes, from, signal: end.signal, remote })
    return new CacheTestReader(stream[Symbol.asyncIterator](), end)
  }

  /** What was told to the upstream has gone through. */
  settle(): Promise<void> {
    return this.clock.run(0)
  }
}

/** A reader that takes batches when a test says so. */
export class CacheTestReader {
  readonly batches: Batch[] = []
  /** Key and value of each pair, as the batches taken add up to. */
  fold: Map<string, string> = new Map()
  position: Position | undefined
  readonly #iterator: BatchIterator
  readonly #end: AbortController
  #staged: Map<string, string> | undefined = new Map()

  constructor(iterator: BatchIterator, end: AbortController) {
    this.#iterator = iterator
    this.#end = end
  }

  /** One batch, if there is one now; a receipt in it is left to the caller. */
  takeOne(): Batch | undefined {
    const batch = this.#iterator.poll?.()
    if (batch === undefined) return undefined
    this.batches.push(batch)
    this.#add(batch)
    return batch
  }

  /** All that there is now, as text; receipts are routed to nobody. */
  take(): string[] {
    const lines: string[] = []
    for (;;) {
      const batch = this.takeOne()
      if (batch === undefined) return lines
      if (batch.kind === 'changes') batch.receipt?.routed([])
      lines.push(show(batch))
    }
  }

  next(): Promise<IteratorResult<Batch, unknown>> {
    return this.#iterator.next()
  }

  async return(): Promise<void> {
    await this.#iterator.return?.()
  }

  abort(): void {
    this.#end.abort()
  }

  #add(batch: Batch): void {
    if ('position' in batch) this.position = batch.position
    switch (batch.kind) {
      case 'reset':
        this.#staged = new Map()
        return
      case 'pairs':
        if (this.#staged === undefined) throw new Error('pairs without a reset')
        for (const { key, value } of batch.pairs) this.#staged.set(key, text(value))
        return
      case 'listed':
        if (this.#staged === undefined) throw new Error('listed without a reset')
        this.fold = this.#staged
        this.#staged = undefined
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

/** A batch in one line. */
export function show(batch: Batch): string {
  switch (batch.kind) {
    case 'pairs':
      return `pairs ${batch.pairs.map(({ key, value }) => `${key}=${text(value)}`).join(' ')}`
    case 'changes':
      return batch.changes
        .map((change) =>
          change.type === 'put'
            ? `put ${change.pair.key}=${text(change.pair.value)}`
            : `delete ${change.key}`,
        )
        .join(' ')
    case 'reset':
      return `reset ${batch.reason}`
    case 'listed':
    case 'progress':
      return batch.kind
  }
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value)
}
