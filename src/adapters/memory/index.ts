import { MemoryTransport } from './memory-transport.ts'
import type { MemoryOptions } from './memory-transport.ts'
import type { Transport } from '../../api/transport.ts'

export type { MemoryOptions } from './memory-transport.ts'

/**
 * A store in this process: all capabilities, no I/O. Several agents may share one, until the first of them closes it.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export function memory(options?: MemoryOptions): Transport {
  return new MemoryTransport(options)
}
