import { compareKeys, hasPrefix } from '../../src/api/key.ts'
import type { ResyncReason } from '../../src/api/resync-event.ts'

/** A pair as a receiver saw it; the value as text, equal exactly when the bytes are. */
export interface SeenPair {
  readonly key: string
  readonly value: string
  readonly revision: number
}

export interface SeenResync {
  readonly kind: 'resync'
  readonly reason: ResyncReason
  readonly values: ReadonlyMap<string, readonly SeenPair[]>
}

export interface SeenPut extends SeenPair {
  readonly kind: 'put'
  readonly prev?: SeenPair | undefined
}

export interface SeenDelete {
  readonly kind: 'delete'
  readonly key: string
  readonly revision: number
  readonly prev?: SeenPair | undefined
}

export type SeenEvent = SeenResync | SeenPut | SeenDelete

/** What happened, in order; `event` counts the events from 0. */
export type DeliveryEntry =
  | SeenEvent
  /** The receiver's first `done` of an event. */
  | { readonly kind: 'answered'; readonly event: number; readonly refused: boolean }
  /** An event's signal was aborted: its time is over, or it is void. */
  | { readonly kind: 'aborted'; readonly event: number }
  /** `remaining`: what is registered then, also what no RESYNC has shown yet. */
  | {
      readonly kind: 'unregistered'
      readonly prefix: string
      readonly remaining?: readonly string[]
    }
  | { readonly kind: 'closed' }

/** A broken rule of datasync.md §3; `view` is what a RESYNC promises to hold. */
export interface Violation {
  readonly rule: 'C1' | 'C2' | 'C4' | 'C5' | 'C6' | 'C7' | 'C11' | 'view' | 'scope'
  /** The event that broke it, counted from 0. */
  readonly event: number
  readonly message: string
}

export interface CheckOptions {
  /** As watched; `resync`. */
  readonly onRefusal?: 'resync' | 'retry' | 'continue'
  /** As watched; `all`. */
  readonly delivery?: 'all' | 'latest'
  /** Repeats are told by revision (true, the default) or by the bytes (C5). */
  readonly storeRevisions?: boolean
  /** What the receiver held, where it goes on from a checkpoint. */
  readonly resumed?: { readonly prefixes: readonly string[]; readonly pairs: readonly SeenPair[] }
}

/** Every rule that a sequence breaks. What no single receiver can see (C3, C8, C9, C10) is not among them. */
export function checkDelivery(
  entries: Iterable<DeliveryEntry>,
  options: CheckOptions = {},
): readonly Violation[] {
  const check = new DeliveryCheck(options)
  for (const entry of entries) check.next(entry)
  return check.violations
}

type Outcome = 'open' | 'acked' | 'refused' | 'aborted'

/** {@link checkDelivery}, entry by entry, with the fold so far. */
export class DeliveryCheck {
  readonly violations: Violation[] = []
  /** What the events add up to. */
  readonly fold: Map<string, SeenPair> = new Map()
  readonly #options: CheckOptions
  readonly #prefixes = new Set<string>()
  #count = 0
  #last: SeenEvent | undefined
  #outcome: Outcome = 'acked'
  /** What the fold held for the last CHANGE's key. */
  #before: SeenPair | undefined
  /** C1: no CHANGE before the next acknowledged RESYNC. */
  #blocked: boolean
  #closed = false

  constructor(options: CheckOptions = {}) {
    this.#options = options
    this.#blocked = options.resumed === undefined
    for (const pair of options.resumed?.pairs ?? []) this.fold.set(pair.key, pair)
    for (const prefix of options.resumed?.prefixes ?? []) this.#prefixes.add(prefix)
  }

  next(entry: DeliveryEntry): void {
    switch (entry.kind) {
      case 'resync':
        this.#begin(entry)
        this.#resync(entry)
        return
      case 'put':
      case 'delete':
        this.#begin(entry)
        this.#change(entry)
        return
      case 'answered':
        if (entry.event === this.#count - 1) this.#answered(entry.refused)
        return
      case 'aborted':
        if (entry.event === this.#count - 1 && this.#outcome === 'open') this.#settle('aborted')
        return
      case 'unregistered':
        this.#unregistered(entry.prefix, entry.remaining)
        return
      case 'closed':
        this.#closed = true
        return
    }
  }

  #begin(event: SeenEvent): void {
    this.#count++
    if (this.#closed) this.#broken('C11', event, 'comes after the close')
    if (this.#outcome === 'open') this.#broken('C6', event, 'comes while the one before is open')
  }

  #resync(event: SeenResync): void {
    if (this.#last === undefined && this.#blocked && event.reason !== 'startup') {
      this.#broken('C1', event, 'the first RESYNC has to say startup')
    }
    this.fold.clear()
    this.#prefixes.clear()
    for (const [prefix, pairs] of event.values) this.#view(event, prefix, pairs)
    for (const prefix of event.values.keys()) {
      const missing = [...this.fold.keys()].find(
        (key) => hasPrefix(key, prefix) && !event.values.get(prefix)?.some((p) => p.key === key),
      )
      if (missing !== undefined) this.#broken('view', event, `${missing} is not under ${prefix}`)
    }
    this.#blocked = true
    this.#last = event
    this.#outcome = 'open'
  }

  #view(event: SeenResync, prefix: string, pairs: readonly SeenPair[]): void {
    this.#prefixes.add(prefix)
    let before: string | undefined
    for (const pair of pairs) {
      const { key } = pair
      if (!hasPrefix(key, prefix)) this.#broken('view', event, `${key} stands under ${prefix}`)
      if (before !== undefined && compareKeys(before, key) >= 0) {
        this.#broken('view', event, `${key} comes after ${before}`)
      }
      const other = this.fold.get(key)
      if (other !== undefined && (other.value !== pair.value || other.revision !== pair.revision)) {
        this.#broken('view', event, `${key} differs between prefixes`)
      }
      this.fold.set(key, pair)
      before = key
    }
  }

  #change(event: SeenPut | SeenDelete): void {
    const repeat = this.#isRepeat(event)
    if (this.#blocked) {
      const why = this.#last === undefined ? 'the first RESYNC' : 'an acknowledged RESYNC'
      this.#broken('C1', event, `comes before ${why}`)
    } else if (!repeat && this.#owesRepeat(event)) {
      this.#broken('C7', event, 'overtakes a refused CHANGE')
    }
    if (!this.#covers(event.key)) {
      this.#broken('scope', event, 'is under no prefix of the registration')
    }
    const held = this.fold.get(event.key)
    this.#checkPrevious(event, held)
    if (!repeat && held !== undefined && event.revision <= held.revision) {
      this.#broken('C2', event, `revision ${event.revision} comes after ${held.revision}`)
    }
    if (event.kind === 'delete' && held === undefined) {
      this.#broken('C5', event, 'deletes what the fold lacks')
    }
    if (event.kind === 'put' && this.#options.storeRevisions === false) {
      if (held?.value === event.value) this.#broken('C5', event, 'repeats the bytes')
    }
    this.#last = event
    this.#outcome = 'open'
    this.#before = held
    this.#apply(event)
  }

  #checkPrevious(event: SeenPut | SeenDelete, held: SeenPair | undefined): void {
    const { prev } = event
    if (prev?.value !== held?.value) {
      const [was, is] = [prev, held].map((pair) =>
        pair === undefined ? 'nothing' : short(pair.value),
      )
      this.#broken('C4', event, `previous value ${was}, the fold holds ${is}`)
    } else if (prev !== undefined && prev.key !== event.key) {
      this.#broken('C4', event, `the previous pair is of ${prev.key}`)
    }
  }

  /** Under `retry` the refused event comes again, with `latest` in its newest form. */
  #isRepeat(event: SeenPut | SeenDelete): boolean {
    const last = this.#last
    if (this.#options.onRefusal !== 'retry' || !this.#isRefused()) return false
    if (last === undefined || last.kind === 'resync' || last.key !== event.key) return false
    if (this.#options.delivery === 'latest') return event.revision >= last.revision
    return event.kind === last.kind && event.revision === last.revision
  }

  /** Whether only a repeat or a RESYNC may come. */
  #owesRepeat(event: SeenPut | SeenDelete): boolean {
    if (!this.#isRefused() || this.#options.onRefusal === 'continue') return false
    if (this.#options.onRefusal !== 'retry' || this.#options.delivery !== 'latest') return true
    // The refused change may have been taken back by a newer one, but not be followed by another one of its key.
    const last = this.#last
    return last !== undefined && last.kind !== 'resync' && last.key === event.key
  }

  #isRefused(): boolean {
    return this.#outcome === 'refused' || this.#outcome === 'aborted'
  }

  #answered(refused: boolean): void {
    if (this.#outcome === 'open') {
      this.#settle(refused ? 'refused' : 'acked')
    } else if (this.#outcome === 'aborted' && !refused) {
      // C12: a late done in the back-off.
      if (this.#takenBack && this.#last !== undefined && this.#last.kind !== 'resync') {
        this.#apply(this.#last)
      }
      this.#outcome = 'acked'
      this.#blocked = false
    }
  }

  #settle(outcome: Outcome): void {
    this.#outcome = outcome
    if (outcome === 'acked') this.#blocked = false
    else if (this.#takenBack && this.#last !== undefined && this.#last.kind !== 'resync') {
      if (this.#before === undefined) this.fold.delete(this.#last.key)
      else this.fold.set(this.#last.key, this.#before)
    }
  }

  /** A refused change that comes again is not in the fold meanwhile. */
  get #takenBack(): boolean {
    return this.#options.onRefusal === 'retry'
  }

  #apply(event: SeenPut | SeenDelete): void {
    if (event.kind === 'delete') this.fold.delete(event.key)
    else this.fold.set(event.key, { key: event.key, value: event.value, revision: event.revision })
  }

  #unregistered(prefix: string, remaining: readonly string[] | undefined): void {
    const shown = [...this.#prefixes]
    const rest = remaining ?? shown.filter((other) => other !== prefix)
    this.#prefixes.clear()
    // Of what a RESYNC has shown goes on what is still registered, be it as a part of something.
    for (const known of shown) {
      if (rest.some((other) => hasPrefix(known, other))) this.#prefixes.add(known)
      else for (const other of rest) if (hasPrefix(other, known)) this.#prefixes.add(other)
    }
    for (const key of this.fold.keys()) {
      if (!this.#covers(key)) this.fold.delete(key)
    }
    // A refused change of a key that is no longer watched does not come again.
    const last = this.#last
    const gone = last !== undefined && last.kind !== 'resync' && !this.#covers(last.key)
    if (gone && this.#takenBack && this.#isRefused()) this.#outcome = 'acked'
  }

  #covers(key: string): boolean {
    return [...this.#prefixes].some((prefix) => hasPrefix(key, prefix))
  }

  #broken(rule: Violation['rule'], event: SeenEvent, problem: string): void {
    const number = this.#count - 1
    this.violations.push({
      rule,
      event: number,
      message: `${rule}, event ${number}: ${describeEvent(event)}: ${problem}`,
    })
  }
}

/** One line, such as `put /a=2 (was 1)`. */
export function describeEvent(event: SeenEvent): string {
  if (event.kind === 'resync') {
    const pairs = new Map([...event.values.values()].flat().map((pair) => [pair.key, pair]))
    const shown = [...pairs.values()]
      .slice(0, 10)
      .map((pair) => ` ${pair.key}=${short(pair.value)}`)
    return `resync ${event.reason}${shown.join('')}${pairs.size > 10 ? ` … ${pairs.size} pairs` : ''}`
  }
  const was = event.prev === undefined ? '' : ` (was ${short(event.prev.value)})`
  if (event.kind === 'delete') return `delete ${event.key}${was}`
  return `put ${event.key}=${short(event.value)}${was}`
}

function short(value: string): string {
  return value.length > 40 ? `${value.slice(0, 40)}… ${value.length}` : value
}
