import { hasPrefix } from '../../api/key.ts'
import type { KafkaRecord } from './kafka-record.ts'
import type { Table } from './table.ts'
import type { Offsets } from './topic-offsets.ts'

/** The table of a stream that is live, for reads of keys under its prefixes. */
export class LiveTable {
  readonly #prefixes: readonly string[]
  readonly #table: Table
  readonly #next: Map<number, number>
  readonly #waiting = new Set<{ targets: Offsets; settle: (reached: boolean) => void }>()
  #ended = false

  constructor(prefixes: readonly string[], table: Table, next: Offsets) {
    this.#prefixes = prefixes
    this.#table = table
    this.#next = new Map(next)
  }

  /** True for a key, or a prefix, all of whose keys are in the table. */
  covers(key: string): boolean {
    return this.#prefixes.some((prefix) => hasPrefix(key, prefix))
  }

  get(key: string): KafkaRecord | undefined {
    return this.#table.pairs.get(key)
  }

  under(prefix: string): KafkaRecord[] {
    const found: KafkaRecord[] = []
    for (const pair of this.#table.pairs.values()) if (hasPrefix(pair.key, prefix)) found.push(pair)
    return found
  }

  /** What is before `next` is in the table. */
  advance(partition: number, next: number): void {
    this.#next.set(partition, next)
    for (const one of this.#waiting) if (this.#has(one.targets)) one.settle(true)
  }

  /** Resolves with true when everything before these offsets can be looked up, with false when the stream ends before. */
  async reach(targets: Offsets): Promise<boolean> {
    const reached = await this.#reached(targets)
    await this.#table.settled()
    return reached
  }

  #reached(targets: Offsets): Promise<boolean> {
    if (this.#ended || this.#has(targets)) return Promise.resolve(!this.#ended)
    return new Promise((resolve) => {
      const one = {
        targets,
        settle: (reached: boolean): void => {
          this.#waiting.delete(one)
          resolve(reached)
        },
      }
      this.#waiting.add(one)
    })
  }

  end(): void {
    this.#ended = true
    for (const one of this.#waiting) one.settle(false)
  }

  #has(targets: Offsets): boolean {
    for (const [partition, offset] of targets) {
      if ((this.#next.get(partition) ?? 0) < offset) return false
    }
    return true
  }
}
