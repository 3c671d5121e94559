import { hash } from 'node:crypto'
import type { RawPair } from '../../api/transport.ts'

/** A pair as it was read. Its version is computed when somebody asks: a digest per pair would ruin the list. */
export class RedisPair implements RawPair {
  readonly key: string
  readonly value: Uint8Array
  /** Numbered by the core: Redis has no revisions. */
  revision = 0
  #version: string | undefined

  constructor(key: string, value: Uint8Array) {
    this.key = key
    this.value = value
  }

  get version(): string {
    this.#version ??= versionOf(this.value)
    return this.#version
  }
}

/** The version of a value: what `redis.sha1hex` gives for the same bytes in a script. */
export function versionOf(value: Uint8Array): string {
  return hash('sha1', value)
}
