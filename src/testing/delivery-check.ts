import type { ChangeEvent, KeyVal } from '../api/change-event.ts'
import { compareKeys, hasPrefix } from '../api/key.ts'
import type { ResyncEvent } from '../api/resync-event.ts'

/** What the fold holds of one key. */
export interface FoldedPair {
  readonly value: Uint8Array
  readonly revision: number
}

export interface DeliveryCheckOptions {
  /** The registration's `onRefusal`. */
  readonly onRefusal?: 'resync' | 'retry' | 'continue'
  /** It went on from a checkpoint: what that held. */
  readonly resumed?: ReadonlyMap<string, FoldedPair>
}

type SyncEvent = ResyncEvent | ChangeEvent

/**
 * Holds what one registration delivers against the rules that can be judged event by event: C1, C2, C4, C5, C6, and the
 * shape of a RESYNC. Keeps the fold, for C3 at the end. It reads the values' bytes, so that they are the receiver's
 * first copies.
 */
export class DeliveryCheck {
  /** What the registration's events add up to. */
  readonly fold: Map<string, FoldedPair>
  /** One sentence each, with the rule's number. */
  readonly violations: string[] = []
  readonly #onRefusal: 'resync' | 'retry' | 'continue'
  /** Per key since the last RESYNC. */
  readonly #revisions: Map<string, number> = new Map()
  #count = 0
  /** C1: a RESYNC is acknowledged and none refused since. */
  #unlocked: boolean
  #open: SyncEvent | undefined
  #last: { readonly event: SyncEvent; undo: (() => void) | undefined; redo: () => void } | undefined
  /** `retry`: the refused change that has to come again. */
  #repeats: ChangeEvent | undefined

  constructor(options: DeliveryCheckOptions = {}) {
    this.#onRefusal = options.onRefusal ?? 'resync'
    this.fold = new Map(options.resumed)
    for (const [key, { revision }] of this.fold) this.#revisions.set(key, revision)
    this.#unlocked = options.resumed !== undefined
  }

  /** An event has come. `prefixes` are those that the registration has now. */
  delivered(event: SyncEvent, prefixes: readonly string[]): void {
    if (this.#open !== undefined) this.#report('C6', event, 'the event before is still open')
    this.#open = event
    if (event.kind === 'resync') this.#resync(event, prefixes)
    else this.#change(event)
    this.#count++
  }

  /** The receiver said `done()` while the event was open, or in the back-off that its timeout began (C12). */
  acknowledged(event: SyncEvent): void {
    if (this.#open === event) this.#open = undefined
    if (this.#last?.event === event && this.#last.undo === undefined) this.#last.redo()
    this.#repeats = undefined
    if (event.kind === 'resync') this.#unlocked = true
  }

  /** The receiver said `done(error)`, or the signal was aborted: out of time, or voided by a reset. */
  refused(event: SyncEvent): void {
    if (this.#open !== event) return
    this.#open = undefined
    if (event.kind === 'resync') {
      this.#unlocked = false
      return
    }
    if (this.#onRefusal === 'continue') return
    // Until it is told again the receiver does not have it.
    this.#last?.undo?.()
    if (this.#last !== undefined) this.#last.undo = undefined
    this.#repeats = event
  }

  /** A prefix was taken away: the fold forgets what no other one covers. */
  narrowed(prefixes: readonly string[]): void {
    for (const key of this.fold.keys()) {
      if (!prefixes.some((prefix) => hasPrefix(key, prefix))) this.fold.delete(key)
    }
  }

  #resync(event: ResyncEvent, prefixes: readonly string[]): void {
    if (this.#count === 0 && !this.#unlocked && event.reason !== 'startup') {
      this.#report('C1', event, `the first reason is ${event.reason}`)
    }
    this.#unlocked = false
    this.#repeats = undefined
    const expected = [...prefixes].sort(compareKeys)
    const present = [...event.values.keys()].sort(compareKeys)
    if (expected.join('\n') !== present.join('\n')) {
      this.#report('§2', event, `holds the prefixes ${present.join()}, not ${expected.join()}`)
    }
    this.fold.clear()
    this.#revisions.clear()
    for (const [prefix, pairs] of event.values) this.#list(event, prefix, pairs)
    this.#last = { event, undo: undefined, redo: () => {} }
  }

  #list(event: ResyncEvent, prefix: string, pairs: Iterable<KeyVal>): void {
    let before: string | undefined
    for (const pair of pairs) {
      if (!hasPrefix(pair.key, prefix)) this.#report('§2', event, `${pair.key} under ${prefix}`)
      if (before !== undefined && compareKeys(before, pair.key) >= 0) {
        this.#report('§2', event, `${pair.key} after ${before}`)
      }
      before = pair.key
      this.fold.set(pair.key, { value: pair.bytes, revision: pair.revision })
      this.#revisions.set(pair.key, pair.revision)
    }
  }

  #change(event: ChangeEvent): void {
    const { key, revision, prev } = event
    if (!this.#unlocked) this.#report('C1', event, 'no RESYNC is acknowledged')
    const repeats = this.#repeats?.key === key ? this.#repeats : undefined
    if (this.#repeats !== undefined && this.#onRefusal === 'resync') {
      this.#report('C7', event, 'a refused change is followed by a RESYNC')
    }
    this.#repeats = undefined
    const held = this.fold.get(key)
    if (held === undefined && prev !== undefined) {
      this.#report('C4', event, 'has a previous value, the fold has no such key')
    }
    if (held !== undefined && prev === undefined) {
      this.#report('C4', event, 'has no previous value, the fold has the key')
    }
    if (held !== undefined && prev !== undefined && !same(held.value, prev.bytes)) {
      this.#report('C4', event, 'the previous value is not that of the fold')
    }
    if (event.changeType === 'delete' && held === undefined) {
      this.#report('C5', event, 'the fold has no such key')
    }
    const before = this.#revisions.get(key) ?? -1
    if (repeats === undefined ? revision <= before : revision < before) {
      this.#report('C2', event, `revision ${revision} after ${before}`)
    }
    this.#revisions.set(key, revision)
    const redo = (): void => {
      if (event.changeType === 'delete') this.fold.delete(key)
      else this.fold.set(key, { value: event.bytes, revision })
    }
    const undo = (): void => {
      if (held === undefined) this.fold.delete(key)
      else this.fold.set(key, held)
    }
    redo()
    this.#last = { event, undo, redo }
  }

  #report(rule: string, event: SyncEvent, problem: string): void {
    const what =
      event.kind === 'resync' ? `RESYNC (${event.reason})` : `${event.changeType} ${event.key}`
    this.violations.push(`${rule}: event ${this.#count}, ${what}: ${problem}`)
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}
