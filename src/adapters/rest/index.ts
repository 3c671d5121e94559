import type { Transport } from '../../api/transport.ts'
import { readOptions } from './options.ts'
import type { RestOptions } from './options.ts'
import { RestTransport } from './rest-transport.ts'

export type { RestOptions } from './options.ts'

/**
 * An agent of another process as a transport, through its REST server; runs in Node and in browsers. Nothing is
 * contacted before `open`.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for an unknown option, a value out of range or a bad URL
 */
export function rest(options: RestOptions): Transport {
  return new RestTransport(readOptions(options))
}
