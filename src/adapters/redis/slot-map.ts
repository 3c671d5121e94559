import type { ClusterPrimary, ClusterView } from './cluster-view.ts'
import { SLOTS, hashSlot } from './hash-slot.ts'

/** Who owns which hash slot of a cluster; immutable. */
export class SlotMap {
  /** By node id. */
  readonly primaries: ReadonlyMap<string, ClusterPrimary>
  /** False while a slot that belongs to somebody is claimed by nobody: its owner has not heard yet. */
  readonly settled: boolean
  /** Some slot is on its way between two nodes. */
  readonly moving: boolean
  /** Differs when a primary came or went, a slot changed its owner, or began or ended to move. */
  readonly digest: string
  readonly #owners: readonly (string | undefined)[]

  private constructor(
    known: readonly ClusterPrimary[],
    claims: readonly ClusterPrimary[],
    moving: readonly string[],
  ) {
    const primaries = [...new Map(known.map((primary) => [primary.id, primary])).values()].sort(
      (a, b) => (a.id < b.id ? -1 : 1),
    )
    this.primaries = new Map(primaries.map((primary) => [primary.id, primary]))
    this.#owners = ownersBy(claims)
    this.settled = ownersBy(known).every(
      (id, slot) => id === undefined || this.#owners[slot] !== undefined,
    )
    this.moving = moving.length > 0
    this.digest = JSON.stringify([
      primaries.map(({ id }) => id),
      claims.map(({ id, slots }) => JSON.stringify([id, slots])).sort(),
      [...moving].sort(),
    ])
  }

  /** As one node sees it: good for a first try, which the nodes themselves correct (MOVED). */
  static seenBy(view: ClusterView): SlotMap {
    return new SlotMap(view.primaries, view.primaries, view.moving)
  }

  /** From the views of all primaries: a slot belongs to the node that says so of itself. */
  static agreed(views: readonly ClusterView[]): SlotMap {
    const known = views.flatMap((view) => view.primaries)
    const own = views.flatMap((view) => view.primaries.filter(({ id }) => id === view.self))
    // What a node says of itself goes before what others say of it.
    return new SlotMap(
      [...known, ...own],
      own,
      views.flatMap((view) => view.moving),
    )
  }

  /** The id of the primary that owns the key's slot; undefined where nobody claims it. */
  ownerOf(key: string): string | undefined {
    return this.#owners[hashSlot(key)]
  }
}

function ownersBy(claims: readonly ClusterPrimary[]): readonly (string | undefined)[] {
  const owners: (string | undefined)[] = Array.from({ length: SLOTS })
  // Ascending, so that the higher claim is written last.
  for (const { id, slots } of [...claims].sort((a, b) => a.epoch - b.epoch)) {
    for (const [first, last] of slots) owners.fill(id, first, last + 1)
  }
  return owners
}
