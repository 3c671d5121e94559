import type { Clock } from '../api/clock.ts'
import type { Plugin, Sync } from '../api/plugin.ts'
import type { Transport } from '../api/transport.ts'
import type { WatchRegistration } from '../api/watcher.ts'

/** The functions of a test runner that the suite calls: those of Jest, `node:test` and Vitest fit as they are. */
export interface TestRunner {
  describe(title: string, body: () => void): unknown
  it(title: string, body: () => Promise<void>): unknown
}

/** What the suite uses of `Agent`'s options. */
export interface TestAgentOptions {
  readonly transport: Transport
  readonly plugins?: readonly Plugin[]
  readonly acceptTimeoutMs?: number
  readonly ackTimeoutMs?: number
  readonly startTimeoutMs?: number
  readonly clock?: Clock
  readonly random?: () => number
}

/** What the suite uses of a run's report. */
export interface TestRunReport {
  readonly reason: string
  readonly turns: readonly {
    readonly name: string
    readonly outcome: string
    readonly pairs: number
  }[]
}

/** What the suite uses of `Agent`. */
export interface TestAgent extends Sync {
  start(): Promise<TestRunReport>
  register(resyncName: string): WatchRegistration
  resync(names?: readonly string[]): Promise<TestRunReport>
  reportError(name: string, error: unknown): void
  close(): Promise<void>
}

/** `Agent` itself. It is passed in, so that the suite tests the copy of the package that its caller uses. */
export type AgentClass = new (options: TestAgentOptions) => TestAgent

/** What the suite runs with: the runner's functions and `Agent`. */
export interface ContractTools extends TestRunner {
  readonly Agent: AgentClass
}
