import type { RawChange, RawPair } from '../api/transport.ts'

/** A pair as it is, or key, value (text as UTF-8) and revision (0); the version is made from these. */
export type PairInput =
  | RawPair
  | readonly [key: string, value: string | Uint8Array, revision?: number]

/** A change as it is, or its parts. */
export type ChangeInput =
  | RawChange
  | readonly ['put', key: string, value: string | Uint8Array, revision?: number]
  | readonly ['delete', key: string, revision?: number]

/** A pair of its own for each call: the core may number it. */
export function rawPair(input: PairInput): RawPair {
  if (!isParts(input)) return input
  const [key, text, revision = 0] = input
  const value = typeof text === 'string' ? new TextEncoder().encode(text) : text
  return { key, value, revision, version: revision === 0 ? versionOf(value) : `r${revision}` }
}

export function rawChange(input: ChangeInput): RawChange {
  if (!isParts(input)) return input
  if (input[0] === 'delete') {
    const [, key, revision = 0] = input
    return { type: 'delete', key, revision }
  }
  const [, key, value, revision] = input
  return {
    type: 'put',
    pair: rawPair(revision === undefined ? [key, value] : [key, value, revision]),
  }
}

function isParts<T extends readonly unknown[]>(input: T | object): input is T {
  return Array.isArray(input)
}

/** Equal bytes are equal versions, as on Redis. */
function versionOf(value: Uint8Array): string {
  return `b${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
