import type { Batch, RawChange, RawPair } from '../../../api/transport.ts'
import { coverOf, PrefixIndex } from '../../../kit/prefix-index.ts'
import { BatchEncodings, idOf } from '../../../serving/batch-encodings.ts'
import { watchEvent } from '../watch-schema.ts'
import type { WatchEvent, WireChange, WirePair } from '../watch-schema.ts'
import { encodeMessage } from './wire.ts'
import type { Format } from './wire.ts'

/** A message is begun anew beyond this size; one pair is never split. */
const FRAME_BYTES = 512 * 1_024
/** What a pair takes beside its key and value. */
const PAIR_BYTES = 64

/** What one or more watches see. */
export class WatchCover {
  /** Equal for equal prefixes. */
  readonly id: string
  readonly #index = new PrefixIndex<true>()

  constructor(prefixes: readonly string[]) {
    const cover = coverOf(prefixes)
    this.id = idOf(cover)
    for (const prefix of cover) this.#index.set(prefix, true)
  }

  /** A stream may yield what nobody asked for: it must not get out. Mostly the batch itself. */
  within(batch: Batch): Batch {
    if (batch.kind === 'pairs') {
      if (batch.pairs.every(({ key }) => this.#index.covers(key))) return batch
      return { ...batch, pairs: batch.pairs.filter(({ key }) => this.#index.covers(key)) }
    }
    if (batch.kind !== 'changes') return batch
    const covered = (change: RawChange): boolean =>
      this.#index.covers(change.type === 'put' ? change.pair.key : change.key)
    return batch.changes.every(covered)
      ? batch
      : { ...batch, changes: batch.changes.filter(covered) }
  }
}

/** Encodes each batch once per format, however many watch it. */
export class BatchFrames {
  readonly #kept = new BatchEncodings<readonly Buffer[]>()

  of(batch: Batch, cover: WatchCover, format: Format): readonly Buffer[] {
    const kept = this.#kept.of(batch, format)
    const within = kept?.prefixes === cover.id ? batch : cover.within(batch)
    if (kept !== undefined && within === batch) {
      kept.prefixes = cover.id
      return kept.encoding
    }
    const frames = eventsOf(within).map((event) => encodeMessage(watchEvent, event, format))
    // A part is for one set of prefixes, of which there may be as many as watches.
    if (within === batch) {
      const bytes = frames.reduce((sum, { length }) => sum + length, 0)
      this.#kept.keep(batch, format, { encoding: frames, prefixes: cover.id }, bytes)
    }
    return frames
  }
}

function eventsOf(batch: Batch): WatchEvent[] {
  switch (batch.kind) {
    case 'pairs':
      return split(batch.pairs, sizeOf).map((pairs) => ({ pairs: { pairs: pairs.map(wirePair) } }))
    case 'listed':
      return [{ listed: { position: batch.position ?? '' } }]
    case 'progress':
      return [{ progress: { position: batch.position ?? '' } }]
    case 'reset':
      return [{ reset: { reason: batch.reason } }]
    case 'changes': {
      const parts = split(batch.changes, (change) =>
        change.type === 'put' ? sizeOf(change.pair) : change.key.length + PAIR_BYTES,
      )
      if (parts.length === 0) parts.push([])
      return parts.map((changes, i) => {
        const more = i + 1 < parts.length
        // A position in the middle of a transaction is none.
        const position = more ? '' : (batch.position ?? '')
        return { changes: { changes: changes.map(wireChange), position, more } }
      })
    }
  }
}

/** Messages of pairs, for lists. */
export function* pairFrames(pairs: readonly RawPair[]): Generator<readonly WirePair[]> {
  for (const part of split(pairs, sizeOf)) yield part.map(wirePair)
}

function split<T>(items: readonly T[], sizeOf: (item: T) => number): (readonly T[])[] {
  const parts: (readonly T[])[] = []
  let from = 0
  let size = 0
  for (const [i, item] of items.entries()) {
    const own = sizeOf(item)
    if (i > from && size + own > FRAME_BYTES) {
      parts.push(items.slice(from, i))
      from = i
      size = 0
    }
    size += own
  }
  if (from < items.length) parts.push(from === 0 ? items : items.slice(from))
  return parts
}

function sizeOf({ key, value }: RawPair): number {
  return key.length + value.length + PAIR_BYTES
}

function wirePair({ key, value, revision, version }: RawPair): WirePair {
  return { key, value, revision, version }
}

function wireChange(change: RawChange): WireChange {
  return change.type === 'put'
    ? { put: wirePair(change.pair) }
    : { deletedKey: change.key, revision: change.revision }
}
