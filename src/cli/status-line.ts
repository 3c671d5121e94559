import type { Unsubscribable } from 'rxjs'
import type { Agent } from '../agent/agent.ts'
import { describeError } from '../api/errors.ts'
import type { TransportStatus } from '../api/status.ts'
import type { WatchRegistration } from '../api/watcher.ts'
import type { Notes } from './notes.ts'
import { printable } from '../kit/printable.ts'

/** How often it is looked whether something is to be told. */
const LOOK_MS = 200

/** Tells on stderr how the link is, whenever that changes, and on a terminal how far a list has come. */
export class StatusLine {
  readonly #notes: Notes
  readonly #agent: Agent
  #timer: NodeJS.Timeout | undefined
  #told = ''
  #linkOnly = false
  #subscription: Unsubscribable | undefined

  constructor(notes: Notes, agent: Agent) {
    this.#notes = notes
    this.#agent = agent
  }

  /** From now on, until `stop`; without a registration the link is all that there is to tell. */
  follow(registration?: WatchRegistration): void {
    this.#linkOnly = registration === undefined
    this.#subscription = registration?.status$.subscribe(() => this.#look())
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  /** Takes the progress of the list away. */
  clear(): void {
    this.#notes.clear()
  }

  stop(): void {
    this.#subscription?.unsubscribe()
    clearInterval(this.#timer)
    this.#notes.clear()
  }

  #look(): void {
    const { transports, registrations } = this.#agent.health()
    const begun = registrations.some(({ state }) => state !== 'waiting' && state !== 'closed')
    for (const transport of transports) {
      const refused = registrations.find(({ state }) => state === 'backing-off')?.lastError
      const text =
        refused === undefined ? linkText(transport) : `repeating: ${describeError(refused)}`
      // An agent that closes because it could not open has no stream that is down.
      if (transport.state === 'live' && !begun && !this.#linkOnly) continue
      if (text !== this.#told) {
        this.#told = text
        this.#notes.line(`${transport.name}: ${printable(text)}`)
      }
    }
    const { listing } = this.#agent
    if (listing > 0) this.#notes.progress(`listing… ${listing.toLocaleString('en')} keys`)
  }
}

function linkText({ state, lastError }: TransportStatus): string {
  const reason = lastError === undefined ? '' : `: ${rootOf(lastError)}`
  switch (state) {
    case 'connecting':
      return lastError === undefined ? 'connecting' : `not reached yet${reason}; trying again`
    case 'live':
      return 'live'
    case 'stale':
      return `connection lost${reason}; reconnecting`
    case 'closed':
      return 'closed'
  }
}

/** What lies at the bottom says most. */
function rootOf(error: unknown): string {
  return error instanceof Error && error.cause instanceof Error
    ? rootOf(error.cause)
    : describeError(error)
}
