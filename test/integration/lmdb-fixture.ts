import { lmdb } from '../../src/adapters/lmdb/index.ts'
import type { LmdbOptions } from '../../src/adapters/lmdb/index.ts'
import type { Batch, Io, Position, RawPair, Transport } from '../../src/api/transport.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { realIo } from '../support/transport-stream.ts'
import { waitFor } from '../support/wait-for.ts'
import { listOf } from '../../src/kit/list-of.ts'

/** An open store in a folder of its own, unless one is given; closed when the test file is over. */
export async function openStore(
  options: Partial<LmdbOptions> = {},
  io: Partial<Io> = {},
): Promise<Transport & { readonly path: string }> {
  const path = options.path ?? (await tempDir('lmdb'))
  const transport = lmdb({ ...options, path })
  onTeardown(() => transport.close())
  await transport.open(realIo(io))
  return Object.assign(transport, { path })
}

export async function pairsUnder(
  transport: Transport,
  prefix = '',
  io: Partial<Io> = {},
): Promise<readonly RawPair[]> {
  const pairs: RawPair[] = []
  for await (const page of listOf(transport, prefix, realIo(io))) pairs.push(...page)
  return pairs
}

export async function keysUnder(
  transport: Transport,
  prefix = '',
  io: Partial<Io> = {},
): Promise<readonly string[]> {
  return (await pairsUnder(transport, prefix, io)).map(({ key }) => key)
}

/** A stream's batches, collected in the background. */
export interface Watch {
  readonly batches: readonly Batch[]
  /** In short: `pairs a b`, `listed`, `put a`, `delete a`, `progress`, `reset reason`. */
  readonly lines: readonly string[]
  /** Of the last batch that had one. */
  readonly position: Position | undefined
  readonly error: unknown
  /** Waits until the line was seen. */
  until(line: string): Promise<void>
  /** Waits for its end. */
  ended(): Promise<void>
  stop(): Promise<void>
}

export function watch(
  transport: Transport,
  prefixes: readonly string[],
  from?: Position,
  onBatch: (batch: Batch) => unknown = () => undefined,
): Watch {
  const io = realIo()
  const batches: Batch[] = []
  let error: unknown
  const reading = (async () => {
    for await (const batch of transport.stream(prefixes, from, io)) {
      batches.push(batch)
      await onBatch(batch)
    }
  })().catch((thrown: unknown) => {
    error = thrown
  })
  const watching: Watch = {
    batches,
    get lines() {
      return batches.flatMap(linesOf)
    },
    get position() {
      const last = batches.findLast((batch) => 'position' in batch)
      return last !== undefined && 'position' in last ? last.position : undefined
    },
    get error() {
      return error
    },
    async until(line) {
      await waitFor(() => watching.lines.includes(line), {
        describe: () => `${line}; seen: ${watching.lines.slice(-10).join(', ')}; ${String(error)}`,
      })
    },
    ended: () => reading,
    async stop() {
      io.abort()
      await reading
    },
  }
  onTeardown(() => watching.stop())
  return watching
}

function linesOf(batch: Batch): string[] {
  switch (batch.kind) {
    case 'pairs':
      return [`pairs ${batch.pairs.map(({ key }) => key).join(' ')}`]
    case 'reset':
      return [`reset ${batch.reason}`]
    case 'changes':
      return batch.changes.map((change) =>
        change.type === 'put' ? `put ${change.pair.key}` : `delete ${change.key}`,
      )
    case 'listed':
    case 'progress':
      return [batch.kind]
  }
}
