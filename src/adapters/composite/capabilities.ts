import type { Capabilities, Transport } from '../../api/transport.ts'
import { commonPrefixes } from '../../kit/prefix-index.ts'

/** What parts can do together. */
export function unitedCapabilities(
  transports: readonly Transport[],
  write: 'all' | 'first',
): Capabilities {
  const all = transports.map((transport) => transport.capabilities)
  const [first] = all as [Capabilities, ...Capabilities[]]
  const single = write === 'first' || all.length === 1
  const every = (flag: 'ttl' | 'waitForApplied' | 'browser' | 'prefixDelete'): boolean =>
    all.every((capabilities) => capabilities[flag])
  const keyLimits = all
    .map((capabilities) => capabilities.maxKeyBytes)
    .filter((n) => n !== undefined)
  // Every part is watched.
  const watched = all.flatMap(({ watchablePrefixes: prefixes }) =>
    prefixes === undefined ? [] : [prefixes],
  )
  return {
    resumable: false,
    storeRevisions: true,
    ttl: single ? first.ttl : every('ttl'),
    conditionalPut: single && first.conditionalPut,
    transactions: single && first.transactions,
    prefixDelete: single && first.prefixDelete,
    waitForApplied: single ? first.waitForApplied : every('waitForApplied'),
    browser: every('browser'),
    ordered: false,
    maxValueBytes: Math.min(
      ...(single ? [first] : all).map(({ maxValueBytes = Infinity }) => maxValueBytes),
    ),
    ...(all.some((capabilities) => capabilities.watchable === false) ? { watchable: false } : {}),
    ...(watched.length === 0 ? {} : { watchablePrefixes: watched.reduce(commonPrefixes) }),
    ...(keyLimits.length === 0 ? {} : { maxKeyBytes: Math.min(...keyLimits) }),
  }
}
