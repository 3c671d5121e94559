import type { Transport } from '../../api/transport.ts'
import { LmdbTransport } from './lmdb-transport.ts'
import { settingsOf } from './options.ts'
import type { LmdbOptions } from './options.ts'
import { ReadOnlyLmdbTransport } from './read-only-transport.ts'

export type { LmdbOptions } from './options.ts'

/**
 * A durable store in a folder, embedded in this process and held by it alone: what was acknowledged survives SIGKILL
 * and power cuts.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export function lmdb(options: LmdbOptions): Transport {
  const settings = settingsOf(options)
  return settings.readOnly ? new ReadOnlyLmdbTransport(settings) : new LmdbTransport(settings)
}
