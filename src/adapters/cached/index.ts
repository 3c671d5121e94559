import type { Transport } from '../../api/transport.ts'
import { CachedTransport } from './cached-transport.ts'
import type { CachedOptions } from './cached-transport.ts'

export type { CachedOptions } from './cached-transport.ts'

/**
 * A transport whose watches are all served from one watch of it, held in memory (datasync.md §6); reads and writes go to
 * it directly.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`), InvalidKeyError (`SYNC_INVALID_KEY`) for a prefix against the rules
 */
export function cached(transport: Transport, options?: CachedOptions): Transport {
  return new CachedTransport(transport, options)
}
