import { Agent, isSyncError, raw } from '../../src/index.ts'
import type {
  AgentOptions,
  ChangeEvent,
  Clock,
  ResyncEvent,
  Timer,
  Transport,
  WatchOptions,
  WatchRegistration,
} from '../../src/index.ts'
import { hasPrefix } from '../../src/index.ts'
import { LEAVE_OPEN, recordEvents, showBytes } from '../support/record-events.ts'
import type { EventRecorder } from '../support/record-events.ts'
import type {
  AnswerName,
  FaultName,
  RegistrationPlan,
  Scenario,
  Step,
  WriteOp,
} from './watch-scenario.ts'
import { listOf } from '../../src/kit/list-of.ts'

/** Where a scenario is played. */
export interface World {
  readonly transport: Transport
  readonly agent: Omit<AgentOptions, 'transport'>
  readonly clock: Clock
  /** Of events, in ms. */
  readonly doneTimeoutMs: { readonly change: number; readonly resync: number }
  /** Before the keys and prefixes of the scenario. */
  readonly prefix: string
  /** Another program writes beside the agent; without it the agent writes everything. */
  write?(op: WriteOp): Promise<unknown>
  /** What each of the scenario's faults does here. */
  readonly faults: Readonly<Partial<Record<FaultName, () => unknown>>>
  /** No fault from now on. */
  heal(): void
  /** Lets time pass, and everything happen that it sets off. */
  pass(ms: number): Promise<void>
  /** Enough for every timeout and back-off that may still run; called until all is well, so often at most. */
  readonly calm: { readonly ms: number; readonly rounds: number }
  /** What the store holds. */
  stored(): Promise<ReadonlyMap<string, string>>
  /** After the agent is closed. @throws when something is left */
  dispose(): Promise<void>
}

interface Watched {
  readonly registration: WatchRegistration
  readonly recorder: EventRecorder
}

/** Plays a scenario; afterwards every fold is the store's state and no rule was broken. @throws Error that says which */
export async function play(scenario: Scenario, world: World): Promise<void> {
  const player = new Player(world)
  try {
    await player.play(scenario)
  } finally {
    await player.close()
    await world.dispose()
  }
}

class Player {
  readonly agent: Agent
  readonly #world: World
  readonly #watched: Watched[] = []
  readonly #pending = new Set<Promise<unknown>>()
  /** Of answers that are given later. */
  readonly #timers = new Set<Timer>()
  /** From now on everybody says done at once. */
  #calm = false
  #names = 0

  constructor(world: World) {
    this.#world = world
    this.agent = new Agent({ ...world.agent, clock: world.clock, transport: world.transport })
  }

  async play({ stored, registrations, steps }: Scenario): Promise<void> {
    for (const op of stored) await this.#write(op, false)
    for (const plan of registrations) this.#watch(plan)
    this.#expectInTime(this.agent.start())
    await this.#world.pass(0)
    for (const step of steps) {
      await this.#step(step)
      await this.#world.pass(0)
    }
    await this.#settle()
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) timer.stop()
    await this.agent.close()
  }

  async #step(step: Step): Promise<void> {
    switch (step.do) {
      case 'write':
        this.#expectInTime(this.#write(step.op, step.applied))
        return
      case 'txn':
        this.#expectInTime(this.#transaction(step.ops))
        return
      case 'delete prefix':
        this.#expectInTime(this.agent.delete(this.#key(step.prefix), { prefix: true }))
        return
      case 'pass':
        await this.#world.pass(step.ms)
        return
      case 'fault':
        this.#world.faults[step.fault]?.()
        return
      case 'watch':
        this.#watch(step.plan)
        return
      case 'resume': {
        const from = this.#registration(step.of)
        const resume = from?.checkpoint()
        if (from === undefined || resume === undefined) return
        const copy = JSON.parse(JSON.stringify(resume)) as typeof resume
        this.#watch({ ...step.plan, prefixes: from.prefixes }, { resume: copy })
        return
      }
      case 'close':
        await this.#registration(step.of)?.close()
        return
      case 'register':
        await this.#registration(step.of)?.register(this.#key(step.prefix))
        return
      case 'unregister':
        await this.#registration(step.of)?.unregister(this.#key(step.prefix))
        return
      case 'resync': {
        const names = step.of?.flatMap((index) => this.#registration(index)?.name ?? [])
        this.#expectInTime(this.agent.resync(names))
        return
      }
      case 'report error': {
        const registration = this.#registration(step.of)
        if (registration !== undefined)
          this.agent.reportError(registration.name, new Error('random'))
        return
      }
    }
  }

  #key(name: string): string {
    return this.#world.prefix + name
  }

  /** An open one. */
  #registration(index: number): WatchRegistration | undefined {
    const open = this.#open()
    return open[index % open.length]?.registration
  }

  #open(): Watched[] {
    return this.#watched.filter(({ registration }) => registration.status.state !== 'closed')
  }

  #watch(plan: RegistrationPlan, more: Pick<WatchOptions, 'resume'> = {}): void {
    const { delivery, onRefusal, maxRetries, queueLimit, answers } = plan
    const watch: WatchOptions = {
      delivery,
      onRefusal,
      maxRetries,
      queueLimit,
      doneTimeoutMs: this.#world.doneTimeoutMs,
      ...more,
    }
    const prefixes =
      'resume' in more ? plan.prefixes : plan.prefixes.map((prefix) => this.#key(prefix))
    const registration = this.agent.watch(`r${this.#names++}`, prefixes, watch)
    const recorder = recordEvents(registration, {
      watch,
      storeRevisions: this.#world.transport.capabilities.storeRevisions,
      answer: (event, index) => this.#answer(event, answers[index % answers.length] as AnswerName),
    })
    this.#watched.push({ registration, recorder })
  }

  #answer(event: ResyncEvent | ChangeEvent, answer: AnswerName): unknown {
    if (this.#calm) return undefined
    const timeoutMs = this.#world.doneTimeoutMs[event.kind]
    const later = (ms: number, task: () => void): void => {
      const timer = this.#world.clock.after(ms, task)
      this.#timers.add(timer)
      if (answer !== 'late') event.signal.addEventListener('abort', () => timer.stop())
    }
    switch (answer) {
      case 'done':
        return undefined
      case 'soon':
        return new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))
      case 'refuse':
        event.done(new Error('refused'))
        return LEAVE_OPEN
      case 'throw':
        throw new Error('thrown')
      case 'never':
        return LEAVE_OPEN
      case 'slow':
        later(timeoutMs / 2, () => event.done())
        return LEAVE_OPEN
      case 'working':
        later(timeoutMs * 0.7, () => {
          event.working()
          later(timeoutMs * 0.7, () => event.done())
        })
        return LEAVE_OPEN
      case 'late':
        later(timeoutMs + 20, () => {
          // Only in its own back-off the word counts, and only then it is noted as said.
          if (this.#backsOffFrom(event)) event.done()
        })
        return LEAVE_OPEN
    }
  }

  /** The event is the last one of a registration that backs off. */
  #backsOffFrom(event: ResyncEvent | ChangeEvent): boolean {
    return this.#watched.some(
      ({ registration, recorder }) =>
        recorder.last === event && registration.status.state === 'backing-off',
    )
  }

  async #write(op: WriteOp, applied: boolean): Promise<void> {
    if (this.#world.write !== undefined && !applied) {
      await this.#world.write({ ...op, key: this.#key(op.key) })
      return
    }
    const options = applied ? { waitFor: 'applied' as const, timeoutMs: 5_000 } : {}
    const key = this.#key(op.key)
    if (op.do === 'delete') await this.agent.delete(key, options)
    else await this.agent.put(key, raw(new TextEncoder().encode(op.value)), options)
  }

  async #transaction(ops: readonly WriteOp[]): Promise<void> {
    const txn = this.agent.txn()
    for (const op of ops) {
      if (op.do === 'delete') txn.delete(this.#key(op.key))
      else txn.put(this.#key(op.key), raw(new TextEncoder().encode(op.value)))
    }
    await txn.commit()
  }

  /** It has to end before the scenario does; with an error of ours is fine. */
  #expectInTime(promise: Promise<unknown>): void {
    const settled = promise.catch((error: unknown) => {
      if (!isSyncError(error) || error.code === 'SYNC_BUG') throw error
    })
    const done = settled.finally(() => this.#pending.delete(done))
    done.catch(() => {}) // looked at when all is quiet
    this.#pending.add(done)
  }

  async #settle(): Promise<void> {
    const { calm } = this.#world
    this.#calm = true
    this.#world.heal()
    let problem = ''
    for (let round = 0; round < calm.rounds; round++) {
      await this.#world.pass(calm.ms)
      this.#expectClean()
      problem = await this.#problem()
      if (problem === '') return
    }
    throw new Error(`C3: not quiet in the end: ${problem}`)
  }

  #expectClean(): void {
    for (const { recorder } of this.#watched) recorder.expectClean()
  }

  /** What is not as it has to be once everything is quiet. */
  async #problem(): Promise<string> {
    if (this.#pending.size > 0) return `${this.#pending.size} calls have not ended`
    const store = await this.#world.stored()
    for (const { registration, recorder } of this.#open()) {
      const { state, pending, inFlight } = registration.status
      const where = `${registration.name} of ${registration.prefixes.join(' ')}`
      if (state !== 'live' || pending > 0 || inFlight > 0) {
        return `${where} is ${state}, ${pending} pending, ${inFlight} in flight; ${recorder.lines.slice(-8).join('; ')}`
      }
      const expected = [...store].filter(([key]) =>
        registration.prefixes.some((prefix) => hasPrefix(key, prefix)),
      )
      const [want, have] = [expected, [...recorder.fold]].map((pairs) =>
        pairs
          .map((pair) => pair.join('='))
          .sort()
          .join(' '),
      )
      if (want !== have) {
        return `${where}: the fold is ${have}, the store ${want}; ${recorder.lines.slice(-12).join('; ')}`
      }
    }
    return ''
  }
}

/** The pairs of a transport as key and text, read beside the agent. */
export async function readStore(
  transport: Transport,
  prefix: string,
  clock: Clock,
): Promise<Map<string, string>> {
  const io = {
    signal: new AbortController().signal,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    clock,
    random: Math.random,
  }
  const pairs = new Map<string, string>()
  for await (const page of listOf(transport, prefix, io)) {
    for (const pair of page) pairs.set(pair.key, showBytes(pair.value))
  }
  return pairs
}
