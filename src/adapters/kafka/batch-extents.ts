import type { Broker } from 'kafkajs'

/** What a broker sent of one partition. */
export interface Extent {
  /** Of its batches, whole or cut off. */
  readonly bytes: number
  /** The offset behind the last whole batch, also of one without records; undefined when there is none. */
  readonly behind: number | undefined
}

/** By partition. */
export type Extents = ReadonlyMap<number, Extent>

/** The version of the fetch request whose answers are read here; every broker from 2.3 on takes it. */
const FETCH_VERSION = 11
const BATCH_HEAD_BYTES = 12
const LAST_OFFSET_DELTA_AT = 23

/** What kafkajs hands to a connection, as far as it is looked at. */
interface Request {
  readonly request: { readonly apiVersion: number }
  readonly response: { decode(bytes: Buffer): Promise<unknown> }
}

interface Sends {
  readonly connectionPool: { send(request: Request): Promise<unknown> }
}

/**
 * The same broker, that tells `seen` how far each answer to a fetch goes. kafkajs leaves out batches without records, which
 * compaction keeps for the sake of producers; a broker answers with one segment at a time, and a segment may hold nothing
 * else: without their offsets nobody could tell where the next segment begins.
 */
export function watchExtents(broker: Broker, seen: (extents: Extents) => void): Broker {
  const { connectionPool } = broker as Broker & Sends
  const send = (request: Request): Promise<unknown> => {
    if (request.request.apiVersion !== FETCH_VERSION) return connectionPool.send(request)
    const decode = (bytes: Buffer): Promise<unknown> => {
      seen(extentsOf(bytes))
      return request.response.decode(bytes)
    }
    return connectionPool.send({ ...request, response: { ...request.response, decode } })
  }
  return Object.create(broker, { connectionPool: { value: { send } } }) as Broker
}

/** Of an answer of version 11 for one topic. */
export function extentsOf(answer: Buffer): Extents {
  const extents = new Map<number, Extent>()
  // Throttle time, error, session, number of topics.
  let at = 4 + 2 + 4 + 4
  if (answer.length < at || answer.readInt32BE(at - 4) !== 1) return extents
  at += 2 + answer.readInt16BE(at)
  const partitions = answer.readInt32BE(at)
  at += 4
  for (let i = 0; i < partitions; i++) {
    const partition = answer.readInt32BE(at)
    // Error, high watermark, last stable offset, log start.
    at += 4 + 2 + 8 + 8 + 8
    const aborted = Math.max(0, answer.readInt32BE(at))
    // Preferred replica.
    at += 4 + aborted * 16 + 4
    const bytes = Math.max(0, answer.readInt32BE(at))
    at += 4
    extents.set(partition, { bytes, behind: behindBatches(answer.subarray(at, at + bytes)) })
    at += bytes
  }
  return extents
}

function behindBatches(batches: Buffer): number | undefined {
  let behind: number | undefined
  let at = 0
  while (at + LAST_OFFSET_DELTA_AT + 4 <= batches.length) {
    const end = at + BATCH_HEAD_BYTES + batches.readInt32BE(at + 8)
    if (end > batches.length) break
    // The formats before Kafka 0.11 hold the offset of one message, or of the last one of several.
    const isBatch = batches.readInt8(at + 16) === 2
    const delta = isBatch ? batches.readInt32BE(at + LAST_OFFSET_DELTA_AT) : 0
    behind = Number(batches.readBigInt64BE(at)) + delta + 1
    at = end
  }
  return behind
}
