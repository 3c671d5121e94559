import type { RawPair } from '../api/transport.ts'

/** A pair with the store's revision; its version names the store's epoch too, and costs a string only when somebody looks. */
export class EpochPair implements RawPair {
  readonly key: string
  readonly value: Uint8Array
  readonly revision: number
  readonly #epoch: string

  constructor(key: string, value: Uint8Array, revision: number, epoch: string) {
    this.key = key
    this.value = value
    this.revision = revision
    this.#epoch = epoch
  }

  get version(): string {
    return versionOf(this.#epoch, this.revision)
  }
}

/** The token of a key's state at a revision. */
export function versionOf(epoch: string, revision: number): string {
  return `${epoch}-${revision}`
}
