import type { Transport } from '../../api/transport.ts'
import { CompositeTransport } from './composite-transport.ts'
import type { CompositeOptions } from './composite-transport.ts'

export type { CompositeOptions } from './composite-transport.ts'

/**
 * Several transports as one, in the order given (datasync.md §6).
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export function composite(parts: readonly Transport[], options?: CompositeOptions): Transport {
  return new CompositeTransport(parts, options)
}
