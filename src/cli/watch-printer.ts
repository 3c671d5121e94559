import type { ChangeEvent, KeyVal } from '../api/change-event.ts'
import type { ResyncEvent } from '../api/resync-event.ts'
import { clipped, printable } from '../kit/printable.ts'
import type { Session } from './session.ts'
import type { FormatOf } from './value-options.ts'

/** Columns that keys may take before their values are no longer aligned. */
const WIDEST_KEY = 60

/** Writes what a registration tells: lines for people, or JSON. */
export class WatchPrinter {
  readonly #session: Session
  readonly #formatOf: FormatOf
  readonly #values: boolean

  constructor(session: Session, formatOf: FormatOf, values: boolean) {
    this.#session = session
    this.#formatOf = formatOf
    this.#values = values
  }

  /** Resolves when the reader of our output has caught up. */
  async resync(event: ResyncEvent): Promise<void> {
    const { output } = this.#session
    let total = 0
    for (const [prefix, pairs] of event.values) {
      const { count, widest } = measured(pairs)
      total += count
      if (output.json) {
        const { reason, source } = event
        output.record({ event: 'resync', reason, source, prefix, pairs: count })
      } else output.line(this.#heading(event, prefix, count))
      for (const pair of pairs) {
        if (this.#session.signal.aborted) return
        const room = output.json
          ? output.record({ event: 'pair', prefix, ...this.#fields(pair) })
          : output.line(this.#row('', pair.key, Math.min(widest, WIDEST_KEY), pair.bytes))
        if (!room) await output.drained()
      }
    }
    if (output.json) output.record({ event: 'resynced', reason: event.reason, pairs: total })
    await output.drained()
  }

  /** Undefined when the reader of our output keeps up. */
  change(event: ChangeEvent): Promise<void> | undefined {
    const { output } = this.#session
    const room = output.json ? this.#record(event) : this.#line(event)
    return room ? undefined : output.drained()
  }

  #record(event: ChangeEvent): boolean {
    const { changeType, key, revision, prev, source } = event
    return this.#session.output.record({
      event: changeType,
      source,
      ...(changeType === 'put' ? this.#fields(event) : { key, revision }),
      ...(prev === undefined ? {} : { prev: { ...this.#fields(prev), key: undefined } }),
    })
  }

  #line(event: ChangeEvent): boolean {
    const { output } = this.#session
    const { dim, green, red } = output.colors
    const time = dim(timeOfDay(new Date()))
    const kind = event.changeType === 'put' ? green('put   ') : red('delete')
    const was =
      event.prev === undefined || !this.#values
        ? ''
        : `was ${this.#formatOf(event.key).toLine(event.prev.bytes)}`
    const next = event.changeType === 'put' ? event.bytes : undefined
    return output.line(this.#row(`${time} ${kind} `, event.key, 0, next, was))
  }

  #heading({ reason }: ResyncEvent, prefix: string, count: number): string {
    const { cyan, bold } = this.#session.output.colors
    const keys = `${count.toLocaleString('en')} ${count === 1 ? 'key' : 'keys'}`
    return cyan(
      `${bold('RESYNC')} (${reason})  ${prefix === '' ? 'everything' : printable(prefix)}  ${keys}`,
    )
  }

  #row(lead: string, key: string, width: number, bytes: Uint8Array | undefined, was = ''): string {
    const { bold, dim } = this.#session.output.colors
    const name = printable(key)
    const value = bytes === undefined || !this.#values ? '' : this.#formatOf(key).toLine(bytes)
    // The lead is `12:34:56.789 delete `, or two spaces.
    const begun = (lead === '' ? 2 : 20) + Math.max(name.length, width) + 2
    const { columns } = this.#session.output
    const room = columns === undefined ? Infinity : columns - begun
    const parts = [value, was].filter((part) => part !== '')
    const each = Math.max(8, Math.floor((room - 2) / Math.max(1, parts.length)))
    const texts = [
      ...(value === '' ? [] : [clipped(value, each)]),
      ...(was === '' ? [] : [dim(clipped(was, each))]),
    ]
    const padded = texts.length === 0 ? '' : ' '.repeat(Math.max(0, width - name.length))
    return `${lead === '' ? '  ' : lead}${bold(name)}${padded}${texts.map((text) => `  ${text}`).join('')}`
  }

  #fields(pair: KeyVal): object {
    const { key, revision, version } = pair
    const value = this.#values ? this.#formatOf(key).toJson(pair.bytes) : {}
    return { key, ...value, revision, version }
  }
}

function measured(pairs: Iterable<KeyVal>): { count: number; widest: number } {
  let count = 0
  let widest = 0
  for (const { key } of pairs) {
    count++
    widest = Math.max(widest, printable(key).length)
  }
  return { count, widest }
}

/** Local, as 12:34:56.789. */
function timeOfDay(at: Date): string {
  return `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, '0')}`
}
