import type { Transport } from '../../api/transport.ts'
import { PrefixedTransport } from './prefixed-transport.ts'

/**
 * The part of a store under a prefix, as a transport of its own (the seed's microservice label):
 * `prefixed(redis(…), '/agents/a1/')`.
 * @throws InvalidKeyError (`SYNC_INVALID_KEY`) when the prefix breaks the rules, InvalidOptionError
 *   (`SYNC_INVALID_OPTION`) when there is no transport to put it before
 */
export function prefixed(transport: Transport, prefix: string): Transport {
  return new PrefixedTransport(transport, prefix)
}
