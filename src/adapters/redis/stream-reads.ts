import { coverOf, PrefixIndex } from '../../kit/prefix-index.ts'
import type { Connection } from './connection.ts'
import { commonPrefix, prefixPattern } from './glob.ts'
import type { KeyReader } from './key-reader.ts'
import { NodeReads } from './node-reads.ts'
import type { Landed, ReadContext } from './node-reads.ts'
import type { SlotMap } from './slot-map.ts'

export interface StreamReadsOptions {
  readonly prefixes: readonly string[]
  /** By node id. */
  readonly connections: ReadonlyMap<string, Connection>
  /** Undefined without a cluster. */
  readonly slots: SlotMap | undefined
  readonly read: KeyReader
  readonly scanCount: number
  /** Some keys had moved to other nodes than `slots` says; see {@link StreamReads.again}. */
  readonly moved: ReadContext['moved']
  readonly skipped: ReadContext['skipped']
  readonly wake: () => void
}

/**
 * The reads of all nodes for one stream. A key is always read by way of the node that owns it, whichever node spoke of
 * it: so all reads of a key are in one order.
 */
export class StreamReads {
  readonly #wanted: PrefixIndex<true> = new PrefixIndex()
  readonly #nodes: ReadonlyMap<string, NodeReads>
  readonly #all: readonly NodeReads[]
  #slots: SlotMap | undefined

  constructor(options: StreamReadsOptions) {
    this.#slots = options.slots
    const cover = coverOf(options.prefixes)
    for (const prefix of cover) this.#wanted.set(prefix, true)
    const context: ReadContext = {
      read: options.read,
      scanCount: options.scanCount,
      // One pass over the key space, however many prefixes there are; what is between them is dropped here.
      pattern: prefixPattern(commonPrefix(cover)),
      listed: (key) => {
        if (cover.length === 1 || this.#wanted.covers(key)) this.#nodeOf(key)?.listKey(key)
      },
      moved: options.moved,
      skipped: options.skipped,
      wake: options.wake,
    }
    this.#nodes = new Map(
      [...options.connections].map(([id, connection]) => [id, new NodeReads(connection, context)]),
    )
    this.#all = [...this.#nodes.values()]
  }

  /** Keys that are marked and not yet being read. */
  get marked(): number {
    return this.#all.reduce((sum, { dirty }) => sum + dirty.size, 0)
  }

  /** Nothing is under way. */
  get idle(): boolean {
    return this.#all.every((node) => node.idle)
  }

  /** The list that was begun is not at its end. */
  get listing(): boolean {
    return this.#all.some((node) => node.listing)
  }

  /** The key is to be read, once more if it is being read now. */
  mark(key: string): void {
    this.#nodeOf(key)?.dirty.add(key)
  }

  /** The keys are to be read once more, as what they were read as. */
  again(keys: readonly string[], of: 'page' | 'changes'): void {
    for (const key of keys) {
      if (of === 'page') this.#nodeOf(key)?.listKey(key)
      else this.mark(key)
    }
  }

  /** Begins to list, from the start. */
  list(): void {
    for (const node of this.#all) node.list()
  }

  /** Reads what is marked as a part of the list too. */
  listMarked(): void {
    for (const node of this.#all) for (const key of node.dirty) node.listKey(key)
  }

  /** Sends what may be under way: pages of the list, and what is marked if `changes`. */
  send(changes: boolean): void {
    for (const node of this.#all) node.send(changes)
  }

  /** The next that has come, with something in it. @throws what a read did */
  take(): Landed | undefined {
    for (const node of this.#all) {
      for (let landed = node.take(); landed !== undefined; landed = node.take()) {
        if (landed.kind === 'pairs' ? landed.pairs.length > 0 : landed.changes.length > 0)
          return landed
      }
    }
    return undefined
  }

  /** Goes by another map from now on; only when {@link idle}, lest a key be read by way of two nodes at once. */
  adopt(slots: SlotMap): void {
    const marked = this.#all.flatMap((node) => [...node.dirty])
    const listed = this.#all.flatMap((node) => node.giveUpListed())
    for (const node of this.#all) node.dirty.clear()
    this.#slots = slots
    this.again(marked, 'changes')
    this.again(listed, 'page')
  }

  #nodeOf(key: string): NodeReads | undefined {
    if (this.#slots === undefined) return this.#all[0]
    // A slot without an owner: any node says what is wrong with it.
    return this.#nodes.get(this.#slots.ownerOf(key) ?? '') ?? this.#all[0]
  }
}
