import { UnsupportedOptionError } from '../api/errors.ts'
import type { Transport } from '../api/transport.ts'
import { PrefixIndex } from '../kit/prefix-index.ts'

/** @throws UnsupportedOptionError (`SYNC_UNSUPPORTED_OPTION`) where the transport cannot be watched */
export function assertWatchable(transport: Transport, prefixes: readonly string[]): void {
  const { watchable, watchablePrefixes } = transport.capabilities
  if (watchable === false && prefixes.length > 0) {
    throw new UnsupportedOptionError('watch', transport.name, 'it can only be read')
  }
  if (watchablePrefixes === undefined) return
  const index = new PrefixIndex<true>()
  for (const prefix of watchablePrefixes) index.set(prefix, true)
  const outside = prefixes.find((prefix) => !index.covers(prefix))
  if (outside === undefined) return
  const where = watchablePrefixes.map((prefix) => JSON.stringify(prefix)).join(', ')
  throw new UnsupportedOptionError(
    'watch',
    transport.name,
    `${JSON.stringify(outside)} is not held; what is: ${where === '' ? 'nothing' : where}`,
  )
}
