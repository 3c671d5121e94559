import assert from 'node:assert/strict'
import type { Clock } from '../api/clock.ts'
import type { Capabilities, Transport } from '../api/transport.ts'
import type { WatchOptions, WatchRegistration } from '../api/watcher.ts'
import type { ContractFixture, ContractOptions } from './contract-fixture.ts'
import { eventually } from './eventually.ts'
import { Interruptible } from './interruptible.ts'
import { Recorder } from './recorder.ts'
import type { RecorderOptions } from './recorder.ts'
import type { AgentClass, ContractTools, TestAgent, TestAgentOptions } from './runner.ts'
import { textOf } from './text.ts'

/** Adds one test to the suite. */
export type AddCase = (title: string, body: (contract: ContractCase) => Promise<void>) => void

/** Never: for events that a test leaves open. */
export const NO_TIMEOUT = { doneTimeoutMs: { change: 0, resync: 0 } } as const

/** Makes back-offs short: the first before a repetition is 100 ms, the first reconnect comes after 10 ms. */
const shortJitter = (): number => Math.random() * 0.01

/** What one test has: a store of its own, agents on it, receivers that are checked at the end. */
export class ContractCase {
  readonly fixture: ContractFixture
  readonly capabilities: Capabilities
  /** Keys of the fixture can share a transaction. */
  readonly transactions: boolean
  readonly #Agent: AgentClass
  readonly #agents: TestAgent[] = []
  readonly #recorders: Recorder[] = []
  #transport: Interruptible | undefined
  #names = 0

  constructor(Agent: AgentClass, fixture: ContractFixture) {
    this.#Agent = Agent
    this.fixture = fixture
    // A transport does nothing before `open`: this one is asked for its capabilities, then used.
    this.#transport = new Interruptible(fixture.transport())
    this.capabilities = this.#transport.capabilities
    this.transactions = this.capabilities.transactions && fixture.transactions !== false
  }

  /** A key or prefix of this test. */
  key(name: string): string {
    return this.fixture.prefix + name
  }

  /** The transport of the last agent; its streams can be cut. */
  get link(): Interruptible {
    if (this.#transport === undefined) throw new Error('there is no agent yet')
    return this.#transport
  }

  /** A new agent on the fixture's store, not started. */
  agent(options: Partial<TestAgentOptions> = {}): TestAgent {
    if (this.#agents.length > 0) this.#transport = new Interruptible(this.fixture.transport())
    return this.agentOn(this.link, options)
  }

  agentOn(transport: Transport, options: Partial<TestAgentOptions> = {}): TestAgent {
    const agent = new this.#Agent({ random: shortJitter, ...options, transport })
    this.#agents.push(agent)
    return agent
  }

  /** A started agent with one registration on all keys of the test, recorded from its startup RESYNC on. */
  async watching(
    options: RecorderOptions & { readonly watch?: WatchOptions; readonly clock?: Clock } = {},
  ): Promise<{ agent: TestAgent; seen: Recorder }> {
    const { watch, clock, ...recorderOptions } = options
    const agent = this.agent(clock === undefined ? {} : { clock })
    const seen = this.record(agent.watch('watched', this.fixture.prefix, watch), {
      ...(watch?.onRefusal === undefined ? {} : { onRefusal: watch.onRefusal }),
      ...recorderOptions,
    })
    await agent.start()
    return { agent, seen }
  }

  /** Attaches a receiver; what it violates fails the test at its end. */
  record(registration: WatchRegistration, options?: RecorderOptions): Recorder {
    const recorder = new Recorder(registration, options)
    this.#recorders.push(recorder)
    return recorder
  }

  /** A registration name of its own. */
  name(): string {
    return `r${++this.#names}`
  }

  /** The store's pairs under the prefix as `key=value`, keys ascending. */
  async stored(agent: TestAgent, prefix: string = this.fixture.prefix): Promise<string[]> {
    const pairs: string[] = []
    for await (const pair of agent.list(prefix)) pairs.push(`${pair.key}=${textOf(pair)}`)
    return pairs
  }

  /** C3: waits until the fold is what the store holds. */
  async converged(agent: TestAgent, ...recorders: readonly Recorder[]): Promise<void> {
    for (const recorder of recorders) {
      const prefixes = recorder.registration.prefixes
      const expected: string[] = []
      for (const prefix of prefixes) expected.push(...(await this.stored(agent, prefix)))
      const store = [...new Set(expected)].sort().join('\n')
      await eventually(
        () =>
          `C3: the fold of ${recorder.registration.name} to be the store's state; ${difference(recorder.fold(), expected)}`,
        () => recorder.fold().sort().join('\n') === store,
      )
    }
  }

  /** Looks at all receivers, then closes everything. */
  async finish(passed: boolean): Promise<void> {
    try {
      for (const agent of this.#agents.toReversed()) await agent.close()
    } finally {
      await this.fixture.dispose()
    }
    if (!passed) return
    const violations = this.#recorders.flatMap((recorder) => recorder.check.violations)
    assert.deepEqual(violations, [], 'the delivery contract was violated')
  }
}

/** Makes the function that adds tests: each gets a fixture of its own, which is disposed of whatever happens. */
export function caseAdder(tools: ContractTools, options: ContractOptions): AddCase {
  return (title, body) => {
    tools.it(title, async () => {
      const fixture = await options.createFixture()
      const contract = new ContractCase(tools.Agent, fixture)
      let passed = false
      try {
        await body(contract)
        passed = true
      } finally {
        await contract.finish(passed)
      }
    })
  }
}

function difference(fold: readonly string[], store: readonly string[]): string {
  const more = fold.filter((line) => !store.includes(line))
  const less = store.filter((line) => !fold.includes(line))
  return `only in the fold: ${more.join()}; only in the store: ${less.join()}`
}
