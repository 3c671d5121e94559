import { expect } from '@jest/globals'
import { Agent, compareKeys } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { waitFor } from './wait-for.ts'

/** A receiver of all under `/f/` that keeps its fold and checks C1, C2, C4 and C5 on the way. */
export class Follower {
  readonly agent: Agent
  readonly fold: Map<string, string> = new Map()
  /** Their reasons. */
  readonly resyncs: string[] = []
  readonly violations: string[] = []
  /** In their order: `key=value` and `-key`. */
  readonly changes: string[] = []
  /** Of the changes, in the same order. */
  readonly revisions: number[] = []
  #revision = 0

  constructor(transport: Transport) {
    // Short back-offs.
    this.agent = new Agent({ transport, random: () => Math.random() * 0.1 })
    this.agent.watch('follower', '/f/').handle({
      resync: (event) => {
        this.resyncs.push(event.reason)
        this.fold.clear()
        for (const pair of event.values.get('/f/') ?? []) {
          this.fold.set(pair.key, Buffer.from(pair.bytes).toString())
        }
        this.#revision = 0
      },
      change: (event) => {
        if (this.resyncs.length === 0) this.violations.push('C1: a change first')
        // The changes of one transaction have one revision.
        if (event.revision < this.#revision) this.violations.push(`C2: ${event.key}`)
        this.#revision = event.revision
        this.revisions.push(event.revision)
        const prev = event.prev === undefined ? undefined : Buffer.from(event.prev.bytes).toString()
        if (prev !== this.fold.get(event.key)) this.violations.push(`C4: ${event.key}`)
        if (event.changeType === 'delete') {
          this.changes.push(`-${event.key}`)
          if (!this.fold.delete(event.key)) this.violations.push(`C5: ${event.key}`)
        } else {
          const value = Buffer.from(event.bytes).toString()
          this.changes.push(`${event.key}=${value}`)
          this.fold.set(event.key, value)
        }
      },
    })
  }

  get state(): string | undefined {
    return this.agent.health().transports[0]?.state
  }

  /** C3: the fold becomes what the server holds. */
  async converges(expected: Readonly<Record<string, string>>, timeoutMs = 20_000): Promise<void> {
    const want = JSON.stringify(Object.entries(expected).sort(byKey))
    await waitFor(() => JSON.stringify([...this.fold].sort(byKey)) === want, {
      timeoutMs,
      describe: () =>
        `the fold to equal the store: ${this.fold.size} of ${Object.keys(expected).length} keys, RESYNCs ${this.resyncs.join(', ')}, ${JSON.stringify(this.agent.health().transports)}`,
    })
    expect(this.violations).toEqual([])
  }

  /** Its transport becomes live, stale, … */
  async becomes(state: string, timeoutMs = 20_000): Promise<void> {
    await waitFor(() => this.state === state, {
      timeoutMs,
      describe: () => `${state}: ${JSON.stringify(this.agent.health().transports)}`,
    })
  }
}

function byKey(a: readonly [string, string], b: readonly [string, string]): number {
  return compareKeys(a[0], b[0])
}
