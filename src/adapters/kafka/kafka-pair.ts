import type { RawPair } from '../../api/transport.ts'
import type { TableRecord } from './records.ts'

/** A key's present record. */
export class KafkaPair implements RawPair {
  readonly key: string
  readonly value: Uint8Array
  revision: number
  readonly partition: number
  readonly offset: number
  readonly timestamp: number

  constructor(record: TableRecord, value: Uint8Array, revision: number) {
    this.key = record.key
    this.value = value
    this.revision = revision
    this.partition = record.partition
    this.offset = record.offset
    this.timestamp = record.timestamp
  }

  get version(): string {
    return versionOf(this.partition, this.offset)
  }
}

/** The version of what a record put. */
export function versionOf(partition: number, offset: number): string {
  return `${partition}:${offset}`
}
