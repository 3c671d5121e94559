import type { ResyncReason } from '../../api/resync-event.ts'
import type { Batch, Io, Op, RawChange, RawPair, Receipt, Transport } from '../../api/transport.ts'
import { PushQueue } from '../../kit/push-queue.ts'
import type { LatestValues } from '../../source/latest-values.ts'
import { RevisionCounter, sameBytes, WatchLoop } from '../../source/watch-loop.ts'
import type { SourceChange } from '../../source/watch-loop.ts'
import { UnseenWrites } from './unseen-writes.ts'
import { UnionView } from './union-view.ts'
import type { Conflict, UnionPart } from './union-view.ts'

export interface UnionStreamOptions {
  readonly parts: readonly { readonly label: string; readonly transport: Transport }[]
  readonly prefixes: readonly string[]
  readonly conflict: Conflict
  readonly onPartLost: 'keep' | 'drop'
  readonly nextRevision: () => number
  readonly io: Io
  readonly onLost: (part: number, error: unknown) => void
  /** Called once, when it ends for whatever reason. */
  readonly onEnd: (stream: UnionStream) => void
}

/** One part of a stream: a watch that heals itself. */
class PartWatch implements UnionPart {
  readonly label: string
  readonly loop: WatchLoop
  readonly unseen: UnseenWrites
  /** Listed once. */
  known = false
  /** Lost at least once. */
  failed = false
  included = true
  /** What it held when its continuity was lost. */
  previous: LatestValues | undefined

  constructor(label: string, loop: WatchLoop, unseen: UnseenWrites) {
    this.label = label
    this.loop = loop
    this.unseen = unseen
  }

  get values(): LatestValues | undefined {
    return this.known ? this.loop.values : undefined
  }
}

/**
 * One stream over all parts. It never fails: each part reconnects for itself; a part that is listed anew is a reset of
 * the union, whose list carries the other parts' pairs too.
 */
export class UnionStream {
  readonly #options: UnionStreamOptions
  readonly #parts: readonly PartWatch[]
  readonly #view: UnionView
  readonly #batches: PushQueue<Batch>
  #listed = false

  constructor(options: UnionStreamOptions) {
    this.#options = options
    this.#batches = new PushQueue(options.io.signal, () => this.#end())
    this.#parts = options.parts.map(({ label, transport }, index) => {
      const part: PartWatch = new PartWatch(
        label,
        new WatchLoop({
          transport,
          prefixes: options.prefixes,
          io: options.io,
          revisions: new RevisionCounter(),
          sink: {
            resetting: () => {
              part.previous = part.values
            },
            listed: (reason) => this.#partListed(part, index, reason),
            changed: (changes, _before, _after, receipt) =>
              this.#partChanged(part, index, changes, receipt),
            status: (live) => {
              if (live) this.#partLive(part)
            },
            lost: (error) => this.#partLost(part, index, error),
          },
        }),
        new UnseenWrites(options.io.clock),
      )
      return part
    })
    this.#view = new UnionView(this.#parts, options.conflict, options.nextRevision)
  }

  /** With `latest`: the part that changed the key last, as far as this stream has seen. */
  changedBy(key: string): number | undefined {
    return this.#view.changedBy(key)
  }

  /** The part's link was lost, and is not back yet. */
  awaits(index: number): boolean {
    const part = this.#parts[index]
    return part !== undefined && part.failed && !part.loop.live
  }

  /** A write to a part begins. The returned function is to be called when it is stored there. */
  writing(index: number, op: Op): () => void {
    const { loop, unseen } = this.#parts[index] as PartWatch
    // While it is not live: the list that is to come shows it.
    if (op.type === 'put') {
      const before = loop.values.get(op.key)
      return () => {
        if (!loop.live || !loop.covers(op.key)) return
        const now = loop.values.get(op.key)
        const shown = now !== undefined && sameBytes(now.value, op.value)
        // Another value since: of writes that are under way at once any may be the last.
        if (!shown && isSame(now, before)) unseen.add(op.key)
      }
    }
    const before = op.type === 'delete' ? [loop.values.get(op.key)] : loop.values.view(op.prefix)
    return () => {
      if (!loop.live) return
      for (const pair of before) {
        if (pair !== undefined && loop.values.get(pair.key) === pair) unseen.add(pair.key)
      }
    }
  }

  /** A part's watch has not shown yet what was written there before. */
  hasUnseen(op: Op): boolean {
    return this.#parts.some(({ unseen }) => unseen.has(op))
  }

  /** Of each part whose watch has not shown yet what was written there before: resolves when it has, or after `withinMs`. */
  unseen(op: Op, withinMs: number): Promise<void>[] {
    return this.#parts.flatMap(({ unseen }) => unseen.shown(op, withinMs) ?? [])
  }

  /** Begins to watch; ends with the signal, or when its reader returns. */
  batches(): AsyncIterable<Batch> {
    if (!this.#batches.ended) for (const { loop } of this.#parts) loop.start()
    return this.#batches
  }

  #end(): void {
    this.#options.onEnd(this)
    for (const { loop, unseen } of this.#parts) {
      loop.close()
      unseen.clear()
    }
    for (const batch of this.#batches.drain()) {
      if (batch.kind === 'changes') batch.receipt?.routed([])
    }
  }

  #partListed(part: PartWatch, index: number, reason: ResyncReason): void {
    const first = !part.known
    part.known = true
    part.included = true
    part.unseen.clear()
    this.#view.relisted(index, first ? undefined : part.previous)
    part.previous = undefined
    if (this.#listed) {
      this.#batches.push({
        kind: 'reset',
        reason: reason === 'compacted' ? 'compacted' : 'reconnected',
      })
      this.#pushList()
    } else {
      this.#listWhenComplete()
    }
  }

  #partChanged(
    part: PartWatch,
    index: number,
    changes: readonly SourceChange[],
    receipt: Receipt | undefined,
  ): void {
    part.unseen.seen(changes)
    const told = this.#view.changed(index, changes, receipt !== undefined)
    this.#pushChanges(told, part.included ? receipt : undefined)
    if (!this.#listed || !part.included) receipt?.routed([])
  }

  /** It went on where it was, or is listed. */
  #partLive(part: PartWatch): void {
    if (part.known) this.#include(part, true)
  }

  #partLost(part: PartWatch, index: number, error: unknown): void {
    part.failed = true
    part.unseen.clear()
    this.#options.onLost(index, error)
    this.#options.io.logger.warn({ part: part.label, error }, 'part of a composite lost')
    // A part that is only listed anew is there: its pairs stay until the list is complete (W11).
    if (this.#options.onPartLost === 'drop' && part.known) this.#include(part, false)
    this.#listWhenComplete()
  }

  #include(part: PartWatch, included: boolean): void {
    if (part.included === included) return
    part.included = included
    this.#pushChanges(this.#view.reconsider(part.loop.values.keys()), undefined)
  }

  /** The first list waits for every part; with `drop`, a part that was lost first is not waited for. */
  #listWhenComplete(): void {
    const { onPartLost } = this.#options
    const settled = (part: PartWatch): boolean =>
      part.known || (onPartLost === 'drop' && part.failed)
    if (this.#listed || !this.#parts.every(settled)) return
    this.#pushList()
  }

  #pushList(): void {
    this.#listed = true
    const { pairs } = this.#view
    if (pairs.length > 0) this.#batches.push({ kind: 'pairs', pairs })
    this.#batches.push({ kind: 'listed' })
  }

  #pushChanges(changes: readonly RawChange[], receipt: Receipt | undefined): void {
    if (!this.#listed || (changes.length === 0 && receipt === undefined)) return
    this.#batches.push({ kind: 'changes', changes, ...(receipt === undefined ? {} : { receipt }) })
  }
}

function isSame(a: RawPair | undefined, b: RawPair | undefined): boolean {
  return a === b || (a !== undefined && b !== undefined && sameBytes(a.value, b.value))
}

/** With `latest`: the part that changed the key last, as far as one of the streams has seen. */
export function changedBy(streams: Iterable<UnionStream>, key: string): number | undefined {
  for (const stream of streams) {
    const part = stream.changedBy(key)
    if (part !== undefined) return part
  }
  return undefined
}
