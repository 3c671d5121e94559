import { Agent } from '../../src/index.ts'
import type {
  AgentOptions,
  Plugin,
  RunReport,
  WatchOptions,
  WatchRegistration,
} from '../../src/index.ts'
import { FakeClock, Recorder, ScriptedTransport } from '../../src/testing/index.ts'
import type {
  RecorderOptions,
  ScriptedStream,
  ScriptedTransportOptions,
} from '../../src/testing/index.ts'
import { onTeardown } from './teardown.ts'

/** Back-offs are at their least: a tenth of the exponential ceiling. */
export const LEAST_JITTER = (): number => 0

/** A first refusal is repeated after this time, then twice as long. */
export const FIRST_BACKOFF_MS = 100

export interface ScriptedAgentOptions {
  readonly transport?: ScriptedTransportOptions
  readonly agent?: Partial<Omit<AgentOptions, 'transport' | 'clock'>>
}

/** An agent on a {@link ScriptedTransport} whose time stands still until the test moves it. */
export class ScriptedAgent {
  readonly clock: FakeClock = new FakeClock()
  readonly transport: ScriptedTransport
  readonly agent: Agent
  readonly recorders: Recorder[] = []

  constructor(options: ScriptedAgentOptions = {}) {
    this.transport = new ScriptedTransport(options.transport)
    this.agent = new Agent({
      random: LEAST_JITTER,
      ...options.agent,
      transport: this.transport,
      clock: this.clock,
    })
    // What a close rejects with is for the test to look at.
    onTeardown(() => this.agent.close().catch(() => {}))
  }

  /** The stream of call number `index`. */
  stream(index = 0): ScriptedStream {
    return this.transport.script.stream(index)
  }

  watch(
    name: string,
    prefixes: string | readonly string[] = '/',
    watch: WatchOptions = {},
    options: RecorderOptions = {},
  ): Recorder {
    return this.record(this.agent.watch(name, prefixes, watch), {
      ...(watch.onRefusal === undefined ? {} : { onRefusal: watch.onRefusal }),
      ...options,
    })
  }

  record(registration: WatchRegistration, options?: RecorderOptions): Recorder {
    const recorder = new Recorder(registration, options)
    this.recorders.push(recorder)
    return recorder
  }

  plugin(plugin: Plugin): this {
    this.agent.use(plugin)
    return this
  }

  /** Moves time on and lets happen what that sets off. */
  run(ms: number): Promise<void> {
    return this.clock.run(ms)
  }

  /** Starts without waiting for the end, which may be the agent's close. */
  begin(): Promise<RunReport> {
    const started = this.agent.start()
    started.catch(() => {})
    return started
  }

  /** Starts with a store that lists these pairs on its first stream. */
  async start(
    ...pairs: readonly (readonly [key: string, value: string, revision: number])[]
  ): Promise<void> {
    this.stream(0).pairs(pairs).listed('p0')
    const started = this.agent.start()
    await this.settle()
    await started
  }

  /** Lets promises and a few turns of the event loop run; time stands still. */
  settle(): Promise<void> {
    return this.clock.run(0)
  }

  /** What the receivers saw that breaks a rule. */
  get violations(): string[] {
    return this.recorders.flatMap((recorder) => recorder.check.violations)
  }
}
