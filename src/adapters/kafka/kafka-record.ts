import type { RawPair } from '../../api/transport.ts'

const NOTHING = new Uint8Array(0)
/** Small values are parts of common memory: an array of its own costs several times what is in it. */
const CHUNK_BYTES = 16_384
/** Larger ones get their own, so that a kept value holds on to little beside itself. */
const MAX_PART_BYTES = CHUNK_BYTES / 8

/**
 * One record of the table's topic: a key's pair, or its delete. The value is made when it is asked for; a table of a
 * million records holds no million arrays.
 */
export class KafkaRecord implements RawPair {
  readonly key: string
  readonly partition: number
  readonly offset: number
  /** Ms since the epoch: the producer's, or the broker's with LogAppendTime. */
  readonly timestamp: number
  /** The offset, unless the key moved between partitions. */
  revision: number
  #memory: Uint8Array | undefined
  #start = 0
  #length = 0

  /** A delete, until `hold` gives it a value. */
  constructor(key: string, partition: number, offset: number, timestamp: number) {
    this.key = key
    this.partition = partition
    this.offset = offset
    this.timestamp = timestamp
    this.revision = offset
  }

  /** It deletes its key. */
  get deletes(): boolean {
    return this.#memory === undefined
  }

  /** Bytes of the value. */
  get size(): number {
    return this.#length
  }

  get value(): Uint8Array {
    return this.#memory?.subarray(this.#start, this.#start + this.#length) ?? NOTHING
  }

  get version(): string {
    return versionOf(this.partition, this.offset)
  }

  /** The same record under another revision. */
  at(revision: number): KafkaRecord {
    const { key, partition, offset, timestamp } = this
    const copy = new KafkaRecord(key, partition, offset, timestamp)
    copy.revision = revision
    if (this.#memory !== undefined) copy.hold(this.#memory, this.#start, this.#length)
    return copy
  }

  /** Its value is this part of memory. */
  hold(memory: Uint8Array, start: number, length: number): void {
    this.#memory = memory
    this.#start = start
    this.#length = length
  }
}

/** The version of what a record put. */
export function versionOf(partition: number, offset: number): string {
  return `${partition}:${offset}`
}

/** Copies values out of a broker's answer, which they would hold on to. */
export class ValueCopier {
  #chunk: Uint8Array = NOTHING
  #used = 0

  copyInto(record: KafkaRecord, value: Uint8Array): void {
    const { length } = value
    if (length > MAX_PART_BYTES) {
      record.hold(new Uint8Array(value), 0, length)
      return
    }
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = new Uint8Array(CHUNK_BYTES)
      this.#used = 0
    }
    this.#chunk.set(value, this.#used)
    record.hold(this.#chunk, this.#used, length)
    this.#used += length
  }
}
