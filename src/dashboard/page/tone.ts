import type { Health, PluginState } from '../../agent/health.ts'
import type { TurnOutcome } from '../../api/run-report.ts'
import type { LastResync, RegistrationState, TransportState } from '../../api/status.ts'
import type { EntryKind } from './event-log.ts'

/** How much something asks for attention; told by colour, and always by shape and text, too. */
export type Tone = 'good' | 'busy' | 'warn' | 'bad' | 'idle'

interface Look {
  readonly tone: Tone
  readonly label: string
}

const HEALTH: Readonly<Record<Health['status'], Look>> = {
  ok: { tone: 'good', label: 'ok' },
  starting: { tone: 'busy', label: 'starting' },
  degraded: { tone: 'warn', label: 'degraded' },
  closed: { tone: 'idle', label: 'closed' },
}

const TRANSPORT: Readonly<Record<TransportState, Look>> = {
  live: { tone: 'good', label: 'live' },
  connecting: { tone: 'busy', label: 'connecting' },
  stale: { tone: 'warn', label: 'stale' },
  closed: { tone: 'idle', label: 'closed' },
}

const PLUGIN: Readonly<Record<PluginState, Look>> = {
  waiting: { tone: 'idle', label: 'not started' },
  init: { tone: 'busy', label: 'init' },
  initialised: { tone: 'busy', label: 'initialised' },
  afterInit: { tone: 'busy', label: 'afterInit' },
  started: { tone: 'good', label: 'started' },
  failed: { tone: 'bad', label: 'failed' },
  closed: { tone: 'idle', label: 'closed' },
}

const REGISTRATION: Readonly<Record<RegistrationState, Look>> = {
  live: { tone: 'good', label: 'live' },
  waiting: { tone: 'idle', label: 'waiting' },
  resyncing: { tone: 'busy', label: 'resyncing' },
  'backing-off': { tone: 'bad', label: 'backing off' },
  stale: { tone: 'warn', label: 'stale' },
  closed: { tone: 'idle', label: 'closed' },
}

const OUTCOME: Readonly<Record<TurnOutcome | LastResync['outcome'], Look>> = {
  acked: { tone: 'good', label: 'acked' },
  refused: { tone: 'bad', label: 'refused' },
  timeout: { tone: 'bad', label: 'timed out' },
  voided: { tone: 'warn', label: 'voided' },
  closed: { tone: 'idle', label: 'closed' },
  'passed-over': { tone: 'warn', label: 'passed over' },
  resumed: { tone: 'busy', label: 'resumed' },
  open: { tone: 'busy', label: 'open' },
}

const ENTRY: Readonly<Record<EntryKind, Look>> = {
  put: { tone: 'good', label: 'put' },
  delete: { tone: 'warn', label: 'delete' },
  run: { tone: 'busy', label: 'run' },
  refusal: { tone: 'bad', label: 'refusal' },
  note: { tone: 'idle', label: 'note' },
}

export const look = {
  health: (status: Health['status']): Look => HEALTH[status],
  transport: (state: TransportState): Look => TRANSPORT[state],
  plugin: (state: PluginState): Look => PLUGIN[state],
  registration: (state: RegistrationState): Look => REGISTRATION[state],
  outcome: (outcome: TurnOutcome | LastResync['outcome']): Look => OUTCOME[outcome],
  entry: (kind: EntryKind): Look => ENTRY[kind],
}

export type { Look }
