import { useEffect, useState } from 'preact/hooks'
import type {
  ChangesMessage,
  RefusalView,
  RegistrationView,
  RunView,
  StateMessage,
  StatePatch,
  WatchMessage,
} from '../protocol.ts'
import { token } from './api.ts'
import {
  append,
  EMPTY_LOG,
  ofChanges,
  ofRefusal,
  ofRun,
  ofTransports,
  ofWatch,
} from './event-log.ts'
import type { EventLog } from './event-log.ts'
import { Link } from './link.ts'
import type { Watched } from './link.ts'

const RUNS = 50
const REFUSALS = 100

export type LinkState =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** What is shown is of `since`. */
  | {
      readonly state: 'lost'
      readonly why: string
      readonly since: number
      readonly retryAt: number
    }
  | { readonly state: 'denied'; readonly why: string; readonly status: number }

/** The agent as it was told last. */
export interface AgentState extends Omit<StateMessage, 'registrations' | 'order' | 'now'> {
  readonly registrations: readonly RegistrationView[]
  /** Of the agent's clock ahead of ours, in ms. */
  readonly ahead: number
}

export interface PageState {
  readonly link: LinkState
  readonly agent: AgentState | undefined
  readonly log: EventLog
  readonly watched: Watched | undefined
  /** The agent has other files for the page than those that run. */
  readonly outdated: boolean
  /** For who cannot see what has changed. */
  readonly announcement: string
  readonly toast: Toast | undefined
}

export interface Toast {
  readonly text: string
  readonly tone: 'good' | 'bad'
}

/** Everything that the page shows; replaced as a whole, told to whoever listens. */
export class Store {
  #state: PageState = {
    link: { state: 'connecting' },
    agent: undefined,
    log: EMPTY_LOG,
    watched: undefined,
    outdated: false,
    announcement: '',
    toast: undefined,
  }
  readonly #listeners = new Set<() => void>()
  readonly #link: Link
  #heardAt = 0
  #toastTimer: ReturnType<typeof setTimeout> | undefined

  constructor() {
    this.#link = new Link({
      opened: () => {},
      event: (name, json) => this.#event(name, JSON.parse(json)),
      lost: (why, retryAt) => this.#lost(why, retryAt),
      denied: (why, status) => this.#set({ link: { state: 'denied', why, status } }),
    })
  }

  get state(): PageState {
    return this.#state
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): void {
    this.#link.connect()
    addEventListener('online', () => {
      if (this.#state.link.state === 'lost') this.#link.connect()
    })
  }

  retry(): void {
    this.#link.connect()
  }

  signIn(value: string): void {
    token.set(value)
    this.#set({ link: { state: 'connecting' } })
    this.#link.connect()
  }

  signOut(): void {
    token.clear()
    this.#set({ agent: undefined, log: EMPTY_LOG, link: { state: 'connecting' } })
    this.#link.connect()
  }

  /** Changes under a prefix are shown from now on, or none. */
  watch(watched: Watched | undefined): void {
    this.#set({ watched })
    this.#link.watch(watched)
  }

  changeLog(change: (log: EventLog) => EventLog): void {
    this.#set({ log: change(this.#state.log) })
  }

  announce(announcement: string): void {
    this.#set({ announcement })
  }

  say(text: string, tone: Toast['tone'] = 'good'): void {
    clearTimeout(this.#toastTimer)
    this.#set({ toast: { text, tone }, announcement: text })
    this.#toastTimer = setTimeout(() => this.#set({ toast: undefined }), 8_000)
  }

  dismiss(): void {
    this.#set({ toast: undefined })
  }

  #set(part: Partial<PageState>): void {
    this.#state = { ...this.#state, ...part }
    for (const listener of this.#listeners) listener()
  }

  #event(name: string, data: unknown): void {
    this.#heardAt = Date.now()
    switch (name) {
      case 'state':
        this.#everything(data as StateMessage)
        break
      case 'patch':
        this.#patch(data as StatePatch)
        break
      case 'run':
        this.#ran(data as RunView)
        break
      case 'refusal':
        this.#refused(data as RefusalView)
        break
      case 'changes':
        this.#log(ofChanges(data as ChangesMessage, Date.now() + (this.#state.agent?.ahead ?? 0)))
        break
      case 'watch':
        this.#log([ofWatch(data as WatchMessage, this.#state.watched?.prefix ?? '')])
        break
      default:
        break
    }
  }

  #everything({ order: _order, now, ...message }: StateMessage): void {
    const { agent: before, link, log } = this.#state
    const restarted = before !== undefined && before.boot !== message.boot
    const agent = { ...message, ahead: now - Date.now() }
    const back = link.state === 'lost'
    const own = document.querySelector<HTMLMetaElement>('meta[name=build]')?.content
    const text = restarted ? 'the agent was restarted' : 'connected again'
    const note = { at: now, kind: 'note', subject: 'dashboard', text } as const
    const missed = missedEntries(message, restarted ? undefined : before)
    this.#set({
      agent,
      link: { state: 'live' },
      outdated: own !== undefined && own !== message.build,
      log: append(log, back || restarted ? [...missed, note] : missed),
      ...(back
        ? { announcement: `Connected again${restarted ? '; the agent was restarted' : ''}` }
        : {}),
    })
  }

  #patch({ now, registrations, order, ...parts }: StatePatch): void {
    const { agent } = this.#state
    if (agent === undefined) return
    let all = agent.registrations
    if (registrations !== undefined || order !== undefined) {
      const byName = new Map(all.map((one) => [one.name, one]))
      for (const changed of registrations ?? []) byName.set(changed.name, changed)
      const names = order ?? all.map(({ name }) => name)
      all = names.flatMap((name) => byName.get(name) ?? [])
    }
    this.#set({ agent: { ...agent, ...parts, registrations: all, ahead: now - Date.now() } })
    this.#log(ofTransports(agent.transports, parts.transports ?? agent.transports, now))
  }

  #ran(run: RunView): void {
    const { agent } = this.#state
    if (agent === undefined) return
    this.#set({ agent: { ...agent, runs: [...agent.runs, run].slice(-RUNS) } })
    this.#log([ofRun(run)])
  }

  #refused(refusal: RefusalView): void {
    const { agent } = this.#state
    if (agent === undefined) return
    this.#set({ agent: { ...agent, refusals: [...agent.refusals, refusal].slice(-REFUSALS) } })
    this.#log([ofRefusal(refusal)])
  }

  #log(entries: Parameters<typeof append>[1]): void {
    this.#set({ log: append(this.#state.log, entries) })
  }

  #lost(why: string, retryAt: number): void {
    const { link } = this.#state
    const since = link.state === 'lost' ? link.since : this.#heardAt
    const first = link.state !== 'lost'
    this.#set({
      link: { state: 'lost', why, since, retryAt },
      ...(first ? { announcement: 'Connection lost; what is shown is not up to date' } : {}),
    })
  }
}

/** Runs and refusals that were not told as they happened, in their order. */
function missedEntries(
  { runs, refusals }: Pick<StateMessage, 'runs' | 'refusals'>,
  before: Pick<StateMessage, 'runs' | 'refusals'> | undefined,
): Parameters<typeof append>[1] {
  const lastRun = before?.runs.at(-1)?.id ?? 0
  const lastRefusal = before?.refusals.at(-1)?.id ?? 0
  return [
    ...runs.filter(({ id }) => id > lastRun).map(ofRun),
    ...refusals.filter(({ id }) => id > lastRefusal).map(ofRefusal),
  ].toSorted((a, b) => a.at - b.at)
}

/** A part of the state; the component is drawn again when it is another one. */
export function useStore<T>(store: Store, select: (state: PageState) => T): T {
  const [, draw] = useState({})
  const selected = select(store.state)
  useEffect(() => {
    let last = select(store.state)
    if (last !== selected) draw({})
    return store.subscribe(() => {
      const next = select(store.state)
      if (next === last) return
      last = next
      draw({})
    })
    // The selectors are constant.
  }, [store])
  return selected
}
