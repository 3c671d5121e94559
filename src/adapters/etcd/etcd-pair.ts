import type { RawPair } from '../../api/transport.ts'
import { bufferOf } from './key-range.ts'
import { numberOf } from './schema.ts'
import type { KeyValue } from './schema.ts'

const EMPTY = new Uint8Array(0)
/** In a larger message a value would keep much more alive than itself. */
const SHARED_BYTES = 32_768

/** A pair as it was read; revision and version are both etcd's `mod_revision`. */
export class EtcdPair implements RawPair {
  readonly key: string
  readonly value: Uint8Array
  revision: number

  constructor(key: string, value: Uint8Array, revision: number) {
    this.key = key
    this.value = value
    this.revision = revision
  }

  get version(): string {
    return String(this.revision)
  }
}

/** Of a list: all values of a page are kept together, so that they may share its memory. */
export function listedPair(key: string, kv: KeyValue): EtcdPair {
  return new EtcdPair(key, kv.value.length === 0 ? EMPTY : kv.value, numberOf(kv.modRevision))
}

/** Of an event: values live for different times. */
export function changedPair(key: string, kv: KeyValue, revision: number): EtcdPair {
  const { value } = kv
  if (value.length === 0) return new EtcdPair(key, EMPTY, revision)
  const own =
    value.buffer.byteLength > SHARED_BYTES && value.length < SHARED_BYTES / 2
      ? Buffer.from(bufferOf(value))
      : value
  return new EtcdPair(key, own, revision)
}
