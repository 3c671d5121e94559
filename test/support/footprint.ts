import { activeResources } from './leak-check.ts'
import type { Link } from './link.ts'

/** What a client behind a link, and this process, hold open now. */
export interface Footprint {
  readonly connections: number
  readonly sockets: number
  readonly timers: number
  readonly heapMb: number
}

export function footprint(link: Link): Footprint {
  globalThis.gc?.()
  return {
    connections: link.connections,
    sockets: openSockets(),
    timers: activeResources().get('Timeout') ?? 0,
    heapMb: process.memoryUsage().heapUsed / 2 ** 20,
  }
}

/** Of this process, over TCP. */
export function openSockets(): number {
  return activeResources().get('TCPSocketWrap') ?? 0
}
