import { randomUUID } from 'node:crypto'
import type { Agent } from '../agent/agent.ts'
import type { Timer } from '../api/clock.ts'
import type { Served } from '../api/served.ts'
import type { Io } from '../api/transport.ts'
import type { Client } from '../serving/access.ts'
import type { EventSink } from './event-sink.ts'
import type { RefusalView, RunView } from './protocol.ts'
import { Record } from './record.ts'
import { mayReadAll, patchOf, takePicture } from './state-picture.ts'
import type { Picture } from './state-picture.ts'

/** Four times a second is as much as people see. */
const TICK_MS = 250
/** Something comes at least this often: a page that hears nothing knows that its link is lost. */
const BEAT_MS = 2_000

interface Watcher {
  readonly client: Client
  readonly sink: EventSink
}

/** What all pages are told of the agent's state: everything at first, then what changed, made once for all of them. */
export class StateFeed {
  readonly #agent: Agent
  readonly #served: readonly Served[]
  readonly #io: Io
  readonly #title: string
  readonly #record: Record
  readonly #boot = randomUUID()
  readonly #watchers = new Set<Watcher>()
  #picture: Picture | undefined
  readonly #onAgentClosed = (): void => this.#agentClosed()
  #timer: Timer | undefined
  #beatAt = 0

  constructor(agent: Agent, served: readonly Served[], io: Io, title: string) {
    this.#agent = agent
    this.#served = served
    this.#io = io
    this.#title = title
    this.#record = new Record(agent)
    this.#record.run$.subscribe((run) => this.#ran(run))
    this.#record.refusal$.subscribe((refusal) => this.#refused(refusal))
    io.signal.addEventListener('abort', this.#onAgentClosed, { once: true })
  }

  /** Looks at the agent no more. */
  close(): void {
    this.#io.signal.removeEventListener('abort', this.#onAgentClosed)
    this.#record.close()
    for (const { sink } of this.#watchers) sink.end()
  }

  get size(): number {
    return this.#watchers.size
  }

  get refusals(): readonly RefusalView[] {
    return this.#record.refusals
  }

  /** Everything as it is now, for one client. */
  state(client: Client, build: string): string {
    this.#look()
    const { name, readable, writable } = client
    const head = JSON.stringify({
      boot: this.#boot,
      build,
      title: this.#title,
      client: { name, readable, writable },
      runs: this.#record.runs.map((run) => this.#runFor(client, run)),
      refusals: this.#record.refusals.map((refusal) => this.#refusalFor(client, refusal)),
    })
    const rest = this.#picture === undefined ? undefined : this.#patch(this.#picture, client)
    return rest === undefined ? head : `${head.slice(0, -1)},${rest.slice(1)}`
  }

  /** From now on the page hears of everything that changes, until it is gone. */
  add(client: Client, sink: EventSink, build: string): void {
    const watcher = { client, sink }
    // The others hear first of what this look has found.
    this.#look()
    sink.send('state', this.state(client, build))
    this.#watchers.add(watcher)
    sink.signal.addEventListener('abort', () => this.#remove(watcher), { once: true })
    this.#timer ??= this.#arm()
  }

  #remove(watcher: Watcher): void {
    this.#watchers.delete(watcher)
    if (this.#watchers.size > 0) return
    this.#timer?.stop()
    this.#timer = undefined
  }

  #arm(): Timer {
    return this.#io.clock.after(TICK_MS, () => {
      this.#look()
      const now = this.#io.clock.now()
      if (now - this.#beatAt >= BEAT_MS || now < this.#beatAt) {
        this.#beatAt = now
        for (const { sink } of this.#watchers) sink.send('beat', `{"now":${now}}`)
      }
      this.#timer = this.#watchers.size > 0 ? this.#arm() : undefined
    })
  }

  /** Looks at the agent and tells what is new. */
  #look(): void {
    const before = this.#picture
    const picture = takePicture(this.#agent, this.#served, before)
    this.#picture = picture
    for (const { client, sink } of this.#watchers) {
      const patch = this.#patch(picture, client, before)
      if (patch !== undefined) sink.send('patch', patch)
    }
  }

  #patch(picture: Picture, client: Client, before?: Picture): string | undefined {
    return patchOf(picture, before, client, this.#io.clock.now())
  }

  #ran(run: RunView): void {
    // What the run did to its registrations is there before it is told.
    if (this.#watchers.size > 0) this.#look()
    for (const { client, sink } of this.#watchers) {
      sink.send('run', JSON.stringify(this.#runFor(client, run)))
    }
  }

  #refused(refusal: RefusalView): void {
    for (const { client, sink } of this.#watchers) {
      // Refusals can come by the thousand; what is missed is counted in the state.
      if (!sink.behind) sink.send('refusal', JSON.stringify(this.#refusalFor(client, refusal)))
    }
  }

  #runFor(client: Client, run: RunView): RunView {
    if (run.turns.every(({ error }) => error === undefined)) return run
    const turns = run.turns.map(({ error, ...turn }) =>
      error !== undefined && this.#knows(client, turn.name) ? { ...turn, error } : turn,
    )
    return { ...run, turns }
  }

  #refusalFor(client: Client, refusal: RefusalView): RefusalView {
    if (this.#knows(client, refusal.registration)) return refusal
    const { error: _error, key: _key, ...rest } = refusal
    return rest
  }

  /** Of a registration that is gone nobody can tell: who may read everything may know. */
  #knows(client: Client, registration: string): boolean {
    const known = this.#picture?.registrations.get(registration)
    return mayReadAll(client, known?.prefixes ?? [''])
  }

  #agentClosed(): void {
    // In the task after: by then the agent is closed, and says so.
    this.#io.clock.after(0, () => {
      this.#look()
      for (const { sink } of this.#watchers) sink.end()
    })
  }
}
