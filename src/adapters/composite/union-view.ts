import type { RawChange, RawPair } from '../../api/transport.ts'
import type { LatestValues } from '../../source/latest-values.ts'
import { sameBytes } from '../../source/watch-loop.ts'

/** Which part's value is seen, for a key that several hold. */
export type Conflict = 'first' | 'latest'

/** A part as the union sees it. */
export interface UnionPart {
  /** Names it in versions. */
  readonly label: string
  /** Undefined until it is listed. */
  readonly values: LatestValues | undefined
  /** Its pairs count. */
  readonly included: boolean
}

/** A part's pair as the composite shows it: own revision, a version that names the part. */
export class UnionPair implements RawPair {
  readonly part: number
  readonly source: RawPair
  readonly #label: string
  revision: number

  constructor(part: number, label: string, source: RawPair, revision: number) {
    this.part = part
    this.#label = label
    this.source = source
    this.revision = revision
  }

  get key(): string {
    return this.source.key
  }

  get value(): Uint8Array {
    return this.source.value
  }

  get version(): string {
    return versionOf(this.#label, this.source.version)
  }
}

export function versionOf(label: string, version: string): string {
  return `${label}#${version}`
}

/** What the parts add up to (datasync.md §6). No I/O: it is told what changed and says what that means. */
export class UnionView {
  readonly #parts: readonly UnionPart[]
  readonly #conflict: Conflict
  readonly #nextRevision: () => number
  #pairs = new Map<string, UnionPair>()
  /** With `latest`: who changed the key last, as far as was observed. */
  readonly #changedBy = new Map<string, number>()

  constructor(parts: readonly UnionPart[], conflict: Conflict, nextRevision: () => number) {
    this.#parts = parts
    this.#conflict = conflict
    this.#nextRevision = nextRevision
  }

  get pairs(): readonly RawPair[] {
    return [...this.#pairs.values()]
  }

  /** With `latest`: the part that changed the key last; undefined where that was not observed. */
  changedBy(key: string): number | undefined {
    return this.#changedBy.get(key)
  }

  /**
   * Keys of one part have changed; of a key that is named twice the second mention finds all told. With `awaited` a
   * writer waits for receivers: a value that another part has shown already is told once more, for them to answer.
   */
  changed(
    part: number,
    changed: readonly { readonly key: string }[],
    awaited: boolean,
  ): RawChange[] {
    const changes: RawChange[] = []
    for (const { key } of changed) {
      if (this.#conflict === 'latest') this.#noteChange(part, key)
      const change = this.#settle(key, awaited)
      if (change !== undefined) changes.push(change)
    }
    return changes
  }

  /** A part was taken out or put back. */
  reconsider(keys: Iterable<string>): RawChange[] {
    const changes: RawChange[] = []
    for (const key of keys) {
      const change = this.#settle(key)
      if (change !== undefined) changes.push(change)
    }
    return changes
  }

  /**
   * A part was listed anew: everything is looked at again. Pairs that stay the same keep their revision. `previous` is
   * what the part held before; undefined for its first list.
   */
  relisted(part: number, previous: LatestValues | undefined): void {
    if (this.#conflict === 'latest') this.#noteRelist(part, previous)
    const before = this.#pairs
    this.#pairs = new Map()
    const keys = new Set(before.keys())
    for (const { values: held, included } of this.#parts) {
      if (included && held !== undefined) for (const key of held.keys()) keys.add(key)
    }
    for (const key of keys) {
      const winner = this.#winner(key)
      if (winner === undefined) continue
      const held = before.get(key)
      const same = held !== undefined && sameBytes(held.value, winner.source.value)
      const revision = same ? held.revision : this.#nextRevision()
      this.#pairs.set(key, this.#pair(winner, revision))
    }
  }

  #noteChange(part: number, key: string): void {
    if (this.#parts[part]?.values?.get(key) !== undefined) this.#changedBy.set(key, part)
    else if (this.#changedBy.get(key) === part) this.#changedBy.delete(key)
  }

  /** A pair that is listed again counts as changed only if its bytes differ; at first the order of the parts decides. */
  #noteRelist(part: number, previous: LatestValues | undefined): void {
    const values = this.#parts[part]?.values
    for (const [key, by] of this.#changedBy) {
      if (by === part && values?.get(key) === undefined) this.#changedBy.delete(key)
    }
    if (previous === undefined || values === undefined) return
    for (const key of values.keys()) {
      const own = previous.get(key)
      const now = values.get(key) as RawPair
      if (own === undefined || !sameBytes(own.value, now.value)) this.#changedBy.set(key, part)
    }
  }

  /** The change that makes the seen pair of a key right, or undefined when it is. */
  #settle(key: string, awaited = false): RawChange | undefined {
    const seen = this.#pairs.get(key)
    const winner = this.#winner(key)
    if (winner === undefined) {
      if (seen === undefined) return undefined
      this.#pairs.delete(key)
      return { type: 'delete', key, revision: this.#nextRevision() }
    }
    if (seen?.source === winner.source) return undefined
    const equal = seen !== undefined && sameBytes(seen.value, winner.source.value)
    if (equal && seen.part !== winner.part && !awaited) {
      // Another part now stands for the same value: nothing to tell, but the version names it.
      this.#pairs.set(key, this.#pair(winner, seen.revision))
      return undefined
    }
    const pair = this.#pair(winner, this.#nextRevision())
    this.#pairs.set(key, pair)
    return { type: 'put', pair }
  }

  #winner(key: string): { part: number; source: RawPair } | undefined {
    const last = this.#changedBy.get(key)
    if (last !== undefined) {
      const source = this.#held(last, key)
      if (source !== undefined) return { part: last, source }
    }
    for (let part = 0; part < this.#parts.length; part++) {
      const source = this.#held(part, key)
      if (source !== undefined) return { part, source }
    }
    return undefined
  }

  #held(part: number, key: string): RawPair | undefined {
    const { values, included } = this.#parts[part] as UnionPart
    return included ? values?.get(key) : undefined
  }

  #pair(winner: { part: number; source: RawPair }, revision: number): UnionPair {
    const { label } = this.#parts[winner.part] as UnionPart
    return new UnionPair(winner.part, label, winner.source, revision)
  }
}
