import type { Batch, RawChange, RawPair } from '../../../api/transport.ts'
import { coverOf, PrefixIndex } from '../../../kit/prefix-index.ts'
import { BatchEncodings, idOf } from '../../../serving/batch-encodings.ts'
import { EVENTS, encodeToken } from '../protocol.ts'
import type { WireChange } from '../protocol.ts'
import type { ValueForm, Values } from './values.ts'

/** An event ends when its data are that long. */
const EVENT_CHARS = 1_048_576
/** Longer texts are not kept: many watchers that read them at once are rare, and they are large. */
const KEPT_CHARS = 262_144

/** How one watcher wants batches: what else differs between watchers stands not in the text. */
export interface BatchView {
  /** Equal for watchers of the same prefixes. */
  readonly prefixes: string
  /** Equal for watchers that want values alike. */
  readonly formId: string
  readonly cover: PrefixIndex<true>
  readonly form: ValueForm
}

/** Batches as server-sent events, made once per batch and form however many watchers there are. */
export class BatchTexts {
  readonly #values: Values
  readonly #kept = new BatchEncodings<Buffer>()

  constructor(values: Values) {
    this.#values = values
  }

  view(prefixes: readonly string[], form: ValueForm): BatchView {
    const prefixCover = coverOf(prefixes)
    const cover = new PrefixIndex<true>()
    for (const prefix of prefixCover) cover.set(prefix, true)
    const formId = `${form.json ? 'j' : 'b'}${form.values ? 'v' : 'k'}`
    return { prefixes: idOf(prefixCover), formId, cover, form }
  }

  /** The events of pairs or changes. What lies outside the prefixes is left out, as the core does (security, too). */
  *events(batch: Batch & { kind: 'pairs' | 'changes' }, view: BatchView): Generator<Buffer> {
    const kept = this.#kept.of(batch, view.formId)
    const whole = kept?.prefixes === view.prefixes || isWithin(batch, view.cover)
    if (kept !== undefined && whole) {
      kept.prefixes = view.prefixes
      yield kept.encoding
      return
    }
    const texts =
      batch.kind === 'pairs' ? this.#pairs(batch.pairs, view) : this.#changes(batch, view)
    let only: Buffer | undefined
    let count = 0
    for (const text of texts) {
      const bytes = Buffer.from(text)
      if (++count === 1) only = bytes
      yield bytes
    }
    // A part is for one set of prefixes, of which there may be as many as watchers.
    if (!whole || count > 1 || only === undefined || only.length > KEPT_CHARS) return
    const encoded = { encoding: only, prefixes: view.prefixes }
    this.#kept.keep(batch, view.formId, encoded, only.length)
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
      if (!cover.covers(keyOf(change))) continue
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

/** All of it lies under the prefixes. */
function isWithin(batch: Batch & { kind: 'pairs' | 'changes' }, cover: PrefixIndex<true>): boolean {
  return batch.kind === 'pairs'
    ? batch.pairs.every(({ key }) => cover.covers(key))
    : batch.changes.every((change) => cover.covers(keyOf(change)))
}

function keyOf(change: RawChange): string {
  return change.type === 'put' ? change.pair.key : change.key
}

/** One server-sent event; `data` has no line end. */
export function event(name: string, data: string, position?: string): string {
  const id = position === undefined ? '' : `id: ${encodeToken(position)}\n`
  return `event: ${name}\n${id}data: ${data}\n\n`
}
