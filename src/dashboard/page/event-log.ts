import type {
  ChangesMessage,
  RefusalView,
  RunView,
  TransportView,
  ValueView,
  WatchMessage,
} from '../protocol.ts'
import { counted, duration, shownKey } from './format.ts'

export type EntryKind = 'put' | 'delete' | 'run' | 'refusal' | 'note'

/** One line of the event stream. */
export interface Entry {
  readonly id: number
  readonly at: number
  readonly kind: EntryKind
  /** A key, or the name of what it is about. */
  readonly subject: string
  readonly text: string
  readonly value?: ValueView
  readonly revision?: number
}

/** As many lines as are kept, and shown. */
export const CAPACITY = 500

/** The last events, newest first. While it is paused it gathers apart, just as many. */
export interface EventLog {
  readonly entries: readonly Entry[]
  readonly held: readonly Entry[]
  /** How many came while it is paused, with those that were dropped. */
  readonly heldCount: number
  readonly paused: boolean
  readonly nextId: number
}

export const EMPTY_LOG: EventLog = {
  entries: [],
  held: [],
  heldCount: 0,
  paused: false,
  nextId: 1,
}

type NewEntry = Omit<Entry, 'id'>

/** Adds entries, oldest first. */
export function append(log: EventLog, added: readonly NewEntry[]): EventLog {
  if (added.length === 0) return log
  const entries = added.map((entry, i) => ({ ...entry, id: log.nextId + i })).toReversed()
  const nextId = log.nextId + added.length
  if (!log.paused)
    return { ...log, nextId, entries: [...entries, ...log.entries].slice(0, CAPACITY) }
  const held = [...entries, ...log.held].slice(0, CAPACITY)
  return { ...log, nextId, held, heldCount: log.heldCount + added.length }
}

export function pause(log: EventLog): EventLog {
  return { ...log, paused: true }
}

export function goOn(log: EventLog): EventLog {
  const entries = [...log.held, ...log.entries].slice(0, CAPACITY)
  return { ...log, entries, held: [], heldCount: 0, paused: false }
}

export function ofChanges({ changes, skipped }: ChangesMessage, now: number): NewEntry[] {
  const entries: NewEntry[] = changes.map(({ type, key, at, revision, value }) => ({
    at,
    kind: type,
    subject: key,
    text: '',
    revision,
    ...(value === undefined ? {} : { value }),
  }))
  if (skipped > 0) {
    const text = `${counted(skipped, 'more change')} came too fast to be shown`
    entries.push({ at: now, kind: 'note', subject: 'changes', text })
  }
  return entries
}

export function ofWatch(message: WatchMessage, prefix: string): NewEntry {
  const subject = prefix === '' ? 'all keys' : shownKey(prefix)
  const { at } = message
  switch (message.state) {
    case 'live':
      return { at, kind: 'note', subject, text: `watching: ${counted(message.pairs, 'key')} now` }
    case 'reset':
      return { at, kind: 'note', subject, text: `the store is listed anew (${message.reason})` }
    case 'lost':
      return { at, kind: 'note', subject, text: `changes may be missing: ${message.error}` }
  }
}

/** Transports whose state is another one now. */
export function ofTransports(
  before: readonly TransportView[],
  after: readonly TransportView[],
  now: number,
): NewEntry[] {
  return after.flatMap(({ name, state, lastError }) => {
    const known = before.find((transport) => transport.name === name)
    if (known === undefined || known.state === state) return []
    const why = state === 'live' || lastError === undefined ? '' : `: ${lastError}`
    return [{ at: now, kind: 'note', subject: name, text: `transport is ${state}${why}` } as const]
  })
}

export function ofRun({ reason, startedAt, durationMs, turns }: RunView): NewEntry {
  const refused = turns.filter(({ outcome }) => outcome !== 'acked' && outcome !== 'resumed')
  const trouble =
    refused.length === 0
      ? 'all acknowledged'
      : refused.map(({ name, outcome }) => `${name}: ${outcome}`).join(', ')
  const text = `${counted(turns.length, 'registration')} in ${duration(durationMs)}; ${trouble}`
  return { at: startedAt + durationMs, kind: 'run', subject: `RESYNC (${reason})`, text }
}

export function ofRefusal(refusal: RefusalView): NewEntry {
  const { registration, at, kind, key, result, error } = refusal
  const what =
    kind === 'change'
      ? `CHANGE${key === undefined ? '' : ` of ${shownKey(key)}`}`
      : kind === 'resync'
        ? 'RESYNC'
        : 'report'
  const text = `${what} ${result === 'timeout' ? 'timed out' : 'refused'}${error === undefined ? '' : `: ${error}`}`
  return { at, kind: 'refusal', subject: registration, text }
}
