import { InvalidOptionError } from '../../api/errors.ts'
import type { Connection, Reply } from './connection.ts'
import { replyCode } from './errors.ts'
import type { RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { text } from './server-identity.ts'

/** The first and last of neighbouring slots. */
export type SlotRange = readonly [first: number, last: number]

/** One primary of a cluster, as some node sees it. */
export interface ClusterPrimary {
  readonly id: string
  readonly endpoint: Endpoint
  readonly slots: readonly SlotRange[]
  /** Grows with every change of who owns what: of two claims to a slot the higher one holds. */
  readonly epoch: number
}

/** What one node of a cluster knows. */
export interface ClusterView {
  readonly primaries: readonly ClusterPrimary[]
  /** The node's own id. */
  readonly self: string
  /** Slots on their way to or from this node, as it writes them: `[93->-id]`, `[93-<-id]`. */
  readonly moving: readonly string[]
}

/** Asks a node. @throws InvalidOptionError when it is in no cluster; ReplyError */
export async function readClusterView(
  connection: Connection,
  settings: Pick<RedisSettings, 'natMap'>,
): Promise<ClusterView> {
  const [nodes, slots] = await connection.pipeline([
    ['CLUSTER', 'NODES'],
    ['CLUSTER', 'SLOTS'],
  ])
  if (replyCode(nodes) === 'ERR') {
    const at = endpointName(connection.endpoint)
    throw new InvalidOptionError('cluster', `is true, but ${at} is no node of a cluster`)
  }
  if (nodes instanceof Error) throw nodes
  if (slots instanceof Error) throw slots
  return parseClusterView(text(nodes), slots as Reply, connection.endpoint.host, settings.natMap)
}

/**
 * Reads the answers to CLUSTER NODES (who exists, also without slots, and what moves) and CLUSTER SLOTS (which address
 * clients shall take). `host` stands where a node does not know its own address.
 */
export function parseClusterView(
  nodes: string,
  slots: Reply,
  host: string,
  natMap: ReadonlyMap<string, Endpoint>,
): ClusterView {
  const preferred = preferredEndpoints(slots, host)
  const primaries: ClusterPrimary[] = []
  let self = ''
  let moving: string[] = []
  for (const line of nodes.split('\n')) {
    const [id, address, flagList, , , , epoch, , ...claims] = line.trim().split(' ')
    if (id === undefined || address === undefined || flagList === undefined) continue
    const flags = flagList.split(',')
    if (flags.includes('myself')) {
      self = id
      moving = claims.filter((claim) => claim.startsWith('['))
    }
    const ranges = claims.filter((claim) => !claim.startsWith('[')).map(parseRange)
    if (!isPrimary(flags, ranges)) continue
    const announced = preferred.get(id) ?? splitAddress(address.split('@', 1)[0] ?? '', host)
    primaries.push({ id, endpoint: mapped(natMap, announced), slots: ranges, epoch: Number(epoch) })
  }
  return { primaries, self, moving }
}

/** Reads `host:port`, where an IPv6 host has no brackets; an empty host is the one that was asked. */
export function splitAddress(address: string, host: string): Endpoint {
  const colon = address.lastIndexOf(':')
  return { host: address.slice(0, colon) || host, port: Number(address.slice(colon + 1)) }
}

/** Where the node that an answer names as `host:port` is reached from here. */
export function reached(
  settings: Pick<RedisSettings, 'natMap'>,
  address: string,
  host: string,
): Endpoint {
  return mapped(settings.natMap, splitAddress(address, host))
}

function mapped(natMap: ReadonlyMap<string, Endpoint>, announced: Endpoint): Endpoint {
  return natMap.get(endpointName(announced)) ?? announced
}

function isPrimary(flags: readonly string[], slots: readonly SlotRange[]): boolean {
  if (!flags.includes('master') || flags.includes('handshake') || flags.includes('noaddr'))
    return false
  // A failed one that still has slots is missed; one without has been replaced.
  return slots.length > 0 || !flags.includes('fail')
}

function parseRange(claim: string): SlotRange {
  const [first, last = first] = claim.split('-').map(Number)
  return [first ?? -1, last ?? -1]
}

/** By node id: the address that the server wants clients to use (`cluster-preferred-endpoint-type`). */
function preferredEndpoints(slots: Reply, host: string): Map<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>()
  if (!Array.isArray(slots)) return endpoints
  for (const range of slots as readonly Reply[]) {
    const [, , primary] = Array.isArray(range) ? (range as readonly Reply[]) : []
    if (!Array.isArray(primary)) continue
    const [name, port, id] = primary as readonly Reply[]
    const given = text(name)
    // An unknown endpoint is nil, or `?` from nodes whose hostname is not set.
    const reached = given === '' || given === '?' ? host : given
    if (typeof port === 'number') endpoints.set(text(id), { host: reached, port })
  }
  return endpoints
}
