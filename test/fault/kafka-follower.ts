import { expect } from '@jest/globals'
import { kafka } from '../../src/adapters/kafka/index.ts'
import type { KafkaOptions } from '../../src/adapters/kafka/index.ts'
import { Agent, compareKeys } from '../../src/index.ts'
import type { ChangeEvent, Checkpoint, ResyncEvent, Transport } from '../../src/index.ts'
import { waitFor } from '../support/wait-for.ts'

export const LIVENESS_MS = 1_000

/** A receiver that keeps its fold and checks C1, C2, C4 and C5 on the way. */
export class Follower {
  readonly agent: Agent
  readonly transport: Transport
  readonly fold: Map<string, string> = new Map()
  readonly resyncs: string[] = []
  readonly violations: string[] = []
  changes = 0
  checkpoint: () => Checkpoint | undefined = () => undefined
  readonly #revisions = new Map<string, number>()

  constructor(options: KafkaOptions) {
    this.transport = kafka({ livenessMs: LIVENESS_MS, ...options })
    this.agent = new Agent({ transport: this.transport })
  }

  async start(): Promise<this> {
    const registration = this.agent.watch('follower', '/f/')
    this.checkpoint = () => registration.checkpoint()
    registration.handle({
      resync: (event) => this.#resync(event),
      change: (event) => this.#change(event),
    })
    await this.agent.start()
    return this
  }

  get state(): string | undefined {
    return this.agent.health().transports[0]?.state
  }

  /** C3: the fold becomes what the topic holds. */
  async converges(expected: Readonly<Record<string, string>>, timeoutMs = 30_000): Promise<void> {
    const want = Object.entries(expected).sort(byKey)
    await waitFor(() => JSON.stringify([...this.fold].sort(byKey)) === JSON.stringify(want), {
      timeoutMs,
      describe: () =>
        `the fold to equal the store: ${this.fold.size} of ${want.length} keys, RESYNCs ${this.resyncs.join(', ')}, ${JSON.stringify(this.agent.health().transports)}`,
    })
    expect(this.violations).toEqual([])
  }

  #resync(event: ResyncEvent): void {
    this.resyncs.push(event.reason)
    this.fold.clear()
    this.#revisions.clear()
    for (const pair of event.values.get('/f/') ?? []) {
      this.fold.set(pair.key, Buffer.from(pair.bytes).toString())
      this.#revisions.set(pair.key, pair.revision)
    }
  }

  #change(event: ChangeEvent): void {
    this.changes++
    const { key, revision } = event
    if (this.resyncs.length === 0) this.violations.push('C1: a change first')
    if (revision <= (this.#revisions.get(key) ?? -1)) this.violations.push(`C2: ${key}`)
    this.#revisions.set(key, revision)
    const prev = event.prev === undefined ? undefined : Buffer.from(event.prev.bytes).toString()
    if (prev !== this.fold.get(key)) this.violations.push(`C4: ${key}`)
    if (event.changeType === 'delete') {
      if (!this.fold.delete(key)) this.violations.push(`C5: ${key}`)
    } else {
      this.fold.set(key, Buffer.from(event.bytes).toString())
    }
  }
}

function byKey(a: readonly [string, string], b: readonly [string, string]): number {
  return compareKeys(a[0], b[0])
}
