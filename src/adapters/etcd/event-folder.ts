import type { Batch, RawChange } from '../../api/transport.ts'
import { changedPair } from './etcd-pair.ts'
import { keyText } from './key-range.ts'
import { digestOf, formatPosition } from './position.ts'
import type { EtcdPosition } from './position.ts'
import { numberOf } from './schema.ts'
import type { WatchEvent, WatchResponse } from './schema.ts'

const DELETE = 1

/**
 * Makes batches of a watch's messages and moves the position with them: behind the last event, never to what a header
 * says (W1, W3). The events of one revision stay together (W9).
 */
export class EventFolder {
  readonly #skipped: () => void
  #position: EtcdPosition
  /** Of a revision whose other events are still to come. */
  #rest: readonly WatchEvent[] = []

  constructor(position: EtcdPosition, skipped: () => void) {
    this.#position = position
    this.#skipped = skipped
  }

  get position(): EtcdPosition {
    return this.#position
  }

  /** A message's other parts are still to come. */
  get amid(): boolean {
    return this.#rest.length > 0
  }

  /** `marks`: a progress mark says that everything up to its revision has been sent. */
  next(response: WatchResponse, marks: boolean): Batch | undefined {
    const { events, fragment } = response
    if (events.length === 0 && this.#rest.length === 0) return this.#mark(response, marks)
    const all = this.#rest.length === 0 ? events : [...this.#rest, ...events]
    const end = fragment ? borderOf(all) : all.length
    this.#rest = all.slice(end)
    if (end === 0) return { kind: 'progress' }
    return this.#changes(end === all.length ? all : all.slice(0, end))
  }

  #mark({ header, created }: WatchResponse, marks: boolean): Batch | undefined {
    if (created) return undefined
    const revision = numberOf(header.revision)
    if (!marks || revision <= this.#position.revision) return { kind: 'progress' }
    this.#position = { ...this.#position, revision }
    return { kind: 'progress', position: formatPosition(this.#position) }
  }

  #changes(events: readonly WatchEvent[]): Batch {
    const changes: RawChange[] = []
    let { count, revision, lastKey, lastRevision, lastDigest } = this.#position
    let last: WatchEvent | undefined
    for (const event of events) {
      const { type, kv } = event
      revision = numberOf(kv.modRevision)
      if (type === DELETE) count--
      else if (kv.version === 1) count++
      const key = keyText(kv.key)
      if (key === undefined) {
        this.#skipped()
        continue
      }
      lastKey = key
      lastRevision = revision
      last = event
      if (type === DELETE) {
        changes.push({ type: 'delete', key, revision })
      } else {
        changes.push({ type: 'put', pair: changedPair(key, kv, revision) })
      }
    }
    if (last !== undefined) lastDigest = last.type === DELETE ? '' : digestOf(last.kv.value)
    this.#position = { ...this.#position, count, revision, lastKey, lastRevision, lastDigest }
    const position = formatPosition(this.#position)
    return changes.length === 0
      ? { kind: 'progress', position }
      : { kind: 'changes', changes, position }
  }
}

/** Where the last revision begins. */
function borderOf(events: readonly WatchEvent[]): number {
  const last = revisionOf(events.at(-1))
  let at = events.length
  while (at > 0 && revisionOf(events[at - 1]) === last) at--
  return at
}

function revisionOf(event: WatchEvent | undefined): number | undefined {
  return event === undefined ? undefined : numberOf(event.kv.modRevision)
}
