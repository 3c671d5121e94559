import type { Capabilities } from '../../api/transport.ts'
import { numberOf } from './int64.ts'
import type { InfoReply } from './watch-schema.ts'

/** Until the server has said what it can: an agent on memory or LMDB. What is wrong is refused by the server itself. */
export const ASSUMED: Capabilities = {
  resumable: true,
  storeRevisions: true,
  ttl: true,
  conditionalPut: true,
  transactions: true,
  prefixDelete: true,
  waitForApplied: true,
  browser: false,
  ordered: true,
  maxValueBytes: 8 * 2 ** 20 - 2_048,
}

export function capabilitiesOf({ capabilities }: InfoReply): Capabilities {
  if (!capabilities) return ASSUMED
  const { maxKeyBytes } = capabilities
  const maxValueBytes = numberOf(capabilities.maxValueBytes)
  return {
    resumable: capabilities.resumable,
    storeRevisions: capabilities.storeRevisions,
    ttl: capabilities.ttl,
    conditionalPut: capabilities.conditionalPut,
    transactions: capabilities.transactions,
    prefixDelete: capabilities.prefixDelete,
    waitForApplied: capabilities.waitForApplied,
    browser: false,
    ordered: capabilities.ordered,
    watchable: capabilities.watchable,
    ...(maxValueBytes > 0 ? { maxValueBytes } : {}),
    ...(maxKeyBytes > 0 ? { maxKeyBytes } : {}),
  }
}
