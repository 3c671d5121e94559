import type { Transport } from '../../api/transport.ts'
import { versionOf } from './union-view.ts'

/** One of the transports of a composite. */
export interface Part {
  readonly label: string
  readonly transport: Transport
  /** Times that a stream of it had to be opened again. */
  reconnects: number
  lastError: unknown
}

/** Parts of the same name are told apart by their place. */
export function labelled(transports: readonly Transport[]): Part[] {
  const names = transports.map((transport) => transport.name)
  return transports.map((transport, i) => {
    const unique = names.indexOf(transport.name) === names.lastIndexOf(transport.name)
    const label = unique ? transport.name : `${transport.name}-${i + 1}`
    return { label, transport, reconnects: 0, lastError: undefined }
  })
}

/** A part's version as the composite shows it: it names the part too. */
export function labelledVersion(part: Part, version: string | undefined): string | undefined {
  return version === undefined ? undefined : versionOf(part.label, version)
}
