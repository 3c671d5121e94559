import type { Served } from '../api/served.ts'

/** What probes are told, over HTTP and gRPC alike. */
export type ServingState = 'starting' | 'ok' | 'degraded'

/** A watch goes on trying: `degraded` is a store that is lost, or that several tries have not reached. */
export function servingState({ ready, status }: Served): ServingState {
  if (!ready) return 'starting'
  const { state, reconnects } = status
  const lost = state === 'stale' || (state === 'connecting' && reconnects > 0)
  return lost ? 'degraded' : 'ok'
}
