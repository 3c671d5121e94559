import type { Batch, RawChange, RawPair } from '../../../api/transport.ts'
import { coverOf, PrefixIndex } from '../../../kit/prefix-index.ts'
import { EVENTS, encodeToken } from '../protocol.ts'
import type { WireChange } from '../protocol.ts'
import type { ValueForm, Values } from './values.ts'

/** An event ends when its data are that long. */
const EVENT_CHARS = 1_048_576
/** Longer texts are not kept: many watchers that read them at once are rare, and they are large. */
const KEPT_CHARS = 262_144

/** How one watcher wants batches: what else differs between watchers stands not in the text. */
export interface BatchView {
  /** Equal for watchers that share texts. */
  readonly id: string
  readonly cover: PrefixIndex<true>
  readonly form: ValueForm
}

/** Batches as server-sent events, made once per batch and view however many watchers there are. */
export class BatchTexts {
  readonly #values: Values
  readonly #kept = new WeakMap<Batch, Map<string, Buffer>>()

  constructor(values: Values) {
    this.#values = values
  }

  view(prefixes: readonly string[], form: ValueForm): BatchView {
    const prefixCover = coverOf(prefixes)
    const cover = new PrefixIndex<true>()
    for (const prefix of prefixCover) cover.set(prefix, true)
    const id = `${form.json ? 'j' : 'b'}${form.values ? 'v' : 'k'}${JSON.stringify(prefixCover)}`
    return { id, cover, form }
  }

  /** The events of pairs or changes. What lies outside the prefixes is left out, as the core does (security, too). */
  *events(batch: Batch & { kind: 'pairs' | 'changes' }, view: BatchView): Generator<Buffer> {
    const kept = this.#kept.get(batch)?.get(view.id)
    if (kept !== undefined) {
      yield kept
      return
    }
    const texts =
      batch.kind === 'pairs' ? this.#pairs(batch.pairs, view) : this.#changes(batch, view)
    let whole: Buffer | undefined
    let count = 0
    for (const text of texts) {
      const bytes = Buffer.from(text)
      if (++count === 1) whole = bytes
      yield bytes
    }
    if (count > 1 || whole === undefined || whole.length > KEPT_CHARS) return
    const texts1 = this.#kept.get(batch) ?? new Map<string, Buffer>()
    this.#kept.set(batch, texts1.set(view.id, whole))
  }

  *#pairs(pairs: readonly RawPair[], { cover, form }: BatchView): Generator<string> {
    let data = ''
    for (const pair of pairs) {
      if (!cover.covers(pair.key)) continue
      data += `${data === '' ? '' : ','}${JSON.stringify(this.#values.toWire(pair, form))}`
      if (data.length < EVENT_CHARS) continue
      yield event(EVENTS.pairs, `{"pairs":[${data}]}`)
      data = ''
    }
    if (data !== '') yield event(EVENTS.pairs, `{"pairs":[${data}]}`)
  }

  *#changes(batch: Batch & { kind: 'changes' }, { cover, form }: BatchView): Generator<string> {
    let data = ''
    for (const change of batch.changes) {
      if (!cover.covers(change.type === 'put' ? change.pair.key : change.key)) continue
      if (data.length >= EVENT_CHARS) {
        yield event(EVENTS.changes, `{"changes":[${data}],"more":true}`)
        data = ''
      }
      data += `${data === '' ? '' : ','}${JSON.stringify(this.#wire(change, form))}`
    }
    // Without a change the position has moved all the same, and a stream that goes on says so.
    if (data === '') yield event(EVENTS.progress, '{}', batch.position)
    else yield event(EVENTS.changes, `{"changes":[${data}]}`, batch.position)
  }

  #wire(change: RawChange, form: ValueForm): WireChange {
    return change.type === 'put'
      ? { type: 'put', ...this.#values.toWire(change.pair, form) }
      : { type: 'delete', key: change.key, revision: change.revision }
  }
}

/** One server-sent event; `data` has no line end. */
export function event(name: string, data: string, position?: string): string {
  const id = position === undefined ? '' : `id: ${encodeToken(position)}\n`
  return `event: ${name}\n${id}data: ${data}\n\n`
}
