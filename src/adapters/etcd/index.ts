import { DefaultEtcdTransport } from './etcd-transport.ts'
import type { EtcdTransport } from './etcd-transport.ts'
import { readOptions } from './options.ts'
import type { EtcdOptions } from './options.ts'

export type { EtcdOptions } from './options.ts'
export type { EtcdTransport, SkippedKeys } from './etcd-transport.ts'

/**
 * A transport over etcd (API v3, 3.4 or later). Nothing is contacted before `open`.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for an unknown option, a value out of range or a bad URL
 */
export function etcd(options: EtcdOptions = {}): EtcdTransport {
  return new DefaultEtcdTransport(readOptions(options))
}
