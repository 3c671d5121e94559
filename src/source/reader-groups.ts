import type { RawChange } from '../api/transport.ts'
import { PrefixIndex } from '../kit/prefix-index.ts'
import { ReaderGroup } from './reader-group.ts'

/** The groups of a cache, found by what they watch: a look-up costs the same however many there are that do not match. */
export class ReaderGroups {
  readonly #groups = new Map<string, ReaderGroup>()
  readonly #watching = new PrefixIndex<Set<ReaderGroup>>()

  /** Of these prefixes, none inside another; a new one knows what comes behind the sequence. */
  of(cover: readonly string[], sequence: number): ReaderGroup {
    const name = JSON.stringify(cover)
    const known = this.#groups.get(name)
    if (known !== undefined) return known
    const group = new ReaderGroup(cover, sequence)
    this.#groups.set(name, group)
    for (const prefix of cover) {
      const groups = this.#watching.get(prefix)
      if (groups === undefined) this.#watching.set(prefix, new Set([group]))
      else groups.add(group)
    }
    return group
  }

  /** All. */
  [Symbol.iterator](): Iterator<ReaderGroup> {
    return this.#groups.values()
  }

  delete(group: ReaderGroup): void {
    if (!this.#groups.delete(JSON.stringify(group.prefixes))) return
    group.clear()
    for (const prefix of group.prefixes) {
      const groups = this.#watching.get(prefix)
      groups?.delete(group)
      if (groups?.size === 0) this.#watching.delete(prefix)
    }
  }

  /** Tells who watches which of the changes, in their order. */
  route(
    changes: readonly RawChange[],
    visit: (group: ReaderGroup, part: readonly RawChange[]) => void,
  ): void {
    const [only] = changes
    if (only !== undefined && changes.length === 1) {
      // Most are alone: whoever watches it watches all.
      this.#watching.match(keyOf(only), (groups) => {
        for (const group of groups) visit(group, changes)
      })
      return
    }
    const parts = new Map<ReaderGroup, RawChange[]>()
    let change: RawChange
    const collect = (groups: ReadonlySet<ReaderGroup>): void => {
      for (const group of groups) {
        const part = parts.get(group)
        if (part === undefined) parts.set(group, [change])
        else part.push(change)
      }
    }
    for (change of changes) this.#watching.match(keyOf(change), collect)
    for (const [group, part] of parts) visit(group, part)
  }

  /** Adds those that watch any of the changes. */
  collect(changes: readonly RawChange[], found: Set<ReaderGroup>): void {
    const add = (groups: ReadonlySet<ReaderGroup>): void => {
      for (const group of groups) found.add(group)
    }
    for (const change of changes) this.#watching.match(keyOf(change), add)
  }
}

export function keyOf(change: RawChange): string {
  return change.type === 'put' ? change.pair.key : change.key
}
