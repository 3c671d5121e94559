import type { Agent } from '../agent/agent.ts'
import type { PluginStatus, RegistrationInfo } from '../agent/health.ts'
import type { Served } from '../api/served.ts'
import type { Client } from '../serving/access.ts'
import { errorText } from './record.ts'
import type { PluginView, RegistrationView, TransportView } from './protocol.ts'

/** A registration as it is told to those who may read what it watches, and to others. */
export interface RegistrationPicture {
  readonly name: string
  readonly prefixes: readonly string[]
  readonly open: string
  readonly restricted: string
}

/** The agent at one moment; its parts as JSON, made once for all who look. */
export interface Picture {
  readonly status: string
  readonly transports: string
  readonly plugins: string
  readonly order: string
  readonly registrations: ReadonlyMap<string, RegistrationPicture>
}

/** Takes it. What did not change keeps its object from the picture before. */
export function takePicture(
  agent: Agent,
  served: readonly Served[],
  before: Picture | undefined,
): Picture {
  const registrations = new Map<string, RegistrationPicture>()
  for (const info of agent.registrations) {
    const known = before?.registrations.get(info.name)
    const open = JSON.stringify(registrationView(info))
    registrations.set(info.name, known?.open === open ? known : pictureOf(info, open))
  }
  return {
    status: JSON.stringify(agent.health().status),
    transports: JSON.stringify(served.map(transportView)),
    plugins: JSON.stringify(agent.plugins.map(pluginView)),
    order: JSON.stringify([...registrations.keys()]),
    registrations,
  }
}

/** The parts that differ as a patch; undefined when there is nothing to tell. Without `before`: everything. */
export function patchOf(
  picture: Picture,
  before: Picture | undefined,
  client: Client,
  now: number,
): string | undefined {
  const parts: string[] = []
  for (const part of ['status', 'transports', 'plugins', 'order'] as const) {
    if (picture[part] !== before?.[part]) parts.push(`"${part}":${picture[part]}`)
  }
  const changed: string[] = []
  for (const [name, registration] of picture.registrations) {
    if (before?.registrations.get(name) === registration) continue
    changed.push(
      mayReadAll(client, registration.prefixes) ? registration.open : registration.restricted,
    )
  }
  if (changed.length > 0 || before === undefined)
    parts.push(`"registrations":[${changed.join(',')}]`)
  return parts.length === 0 ? undefined : `{"now":${now},${parts.join(',')}}`
}

export function mayReadAll(client: Client, prefixes: readonly string[]): boolean {
  return prefixes.every((prefix) => client.mayRead(prefix))
}

function pictureOf(info: RegistrationInfo, open: string): RegistrationPicture {
  const { lastError: _, ...view } = registrationView(info)
  const restricted = JSON.stringify({ ...view, prefixes: [], restricted: true })
  return { name: info.name, prefixes: info.prefixes, open, restricted }
}

function registrationView(info: RegistrationInfo): RegistrationView {
  const { name, transport, plugin, prefixes, lastError, lastResync } = info
  const { state, pending, pendingBytes, inFlight, lagMs, refusals } = info
  return {
    name,
    transport,
    ...(plugin === undefined ? {} : { plugin }),
    prefixes,
    state,
    pending,
    pendingBytes,
    inFlight,
    // Tenths are enough to be read, and are fewer than four a second.
    lagMs: lagMs < 1_000 ? Math.round(lagMs) : Math.round(lagMs / 100) * 100,
    refusals,
    ...(refusals === 0 ? {} : { lastError: errorText(lastError) }),
    ...(lastResync === undefined
      ? {}
      : {
          lastResync: {
            reason: lastResync.reason,
            at: lastResync.at,
            pairs: lastResync.pairs,
            outcome: lastResync.outcome,
            ...(lastResync.durationMs === undefined ? {} : { durationMs: lastResync.durationMs }),
          },
        }),
  }
}

function transportView({ status, capabilities }: Served): TransportView {
  return {
    name: status.name,
    state: status.state,
    reconnects: status.reconnects,
    ...(status.lastError === undefined ? {} : { lastError: errorText(status.lastError) }),
    conditions: capabilities.conditionalPut,
    ttl: capabilities.ttl,
    applied: capabilities.waitForApplied,
  }
}

function pluginView({ name, state, error }: PluginStatus): PluginView {
  return { name, state, ...(error === undefined ? {} : { error: errorText(error) }) }
}
