import type { Capabilities } from '../../api/transport.ts'
import type { TransportState } from '../../api/status.ts'

/** The names of a watch's server-sent events. */
export const EVENTS = {
  /** First: {@link WireInfo}, as far as a watcher needs it. */
  info: 'info',
  /** Forget what you know: pairs follow. */
  begin: 'resync-begin',
  pairs: 'pairs',
  /** The state is complete; carries the position. */
  end: 'resync-end',
  /** Whole transactions; carries the position behind them. */
  changes: 'changes',
  /** Nothing new; the position has moved, or the stream goes on where it was asked to. */
  progress: 'progress',
  /** The server ends the watch and says why: connect again. */
  closed: 'closed',
} as const

export const PROBLEM_TYPE = 'application/problem+json'
export const JSON_TYPE = 'application/json'
export const BYTES_TYPE = 'application/octet-stream'
export const SSE_TYPE = 'text/event-stream'

/** `base64`: a string with the bytes; `json`: as the model's codec has it. */
export type WireEncoding = 'base64' | 'json'

export interface WirePair {
  readonly key: string
  /** Absent when values were not asked for. */
  readonly value?: unknown
  readonly encoding?: WireEncoding
  readonly version: string
  readonly revision: number
}

export type WireChange =
  | ({ readonly type: 'put' } & WirePair)
  | { readonly type: 'delete'; readonly key: string; readonly revision: number }

/** Data of `resync-begin`. */
export interface WireBegin {
  readonly reason: 'startup' | 'reconnected' | 'compacted'
}

/** Data of `pairs`. */
export interface WirePairs {
  readonly pairs: readonly WirePair[]
  /** Of a page: there are more, and this is the query for them. */
  readonly next?: string
}

/** Data of `changes`; with `more` the transaction goes on in the next event. */
export interface WireChanges {
  readonly changes: readonly WireChange[]
  readonly more?: true
}

/** What a server says of itself. */
export interface WireInfo {
  readonly name: 'rx-datasync'
  readonly api: 'v1'
  readonly transport: string
  readonly state: TransportState
  readonly ready: boolean
  readonly capabilities: Capabilities
  readonly readable: readonly string[]
  readonly writable: readonly string[]
  readonly models: readonly { readonly prefix: string; readonly json: true }[]
  readonly limits: Readonly<Record<string, number>>
}

export type WireOp =
  | {
      readonly op: 'put'
      readonly key: string
      readonly value: unknown
      readonly encoding?: WireEncoding
      readonly ttl?: number | string
      readonly ifVersion?: string
      readonly ifAbsent?: boolean
    }
  | { readonly op: 'delete'; readonly key: string; readonly ifVersion?: string }
  | { readonly op: 'delete-prefix'; readonly prefix: string }

/** The answer to a write that was carried out. */
export interface WireWritten {
  readonly outcome: 'applied' | 'stored'
  /** Of a put; of a transaction per operation. */
  readonly version?: string
  readonly versions?: readonly (string | null)[]
  readonly deleted?: number
  readonly receivers?: number
}

/**
 * An opaque token (position, version) as it stands in a header or event: what is not visible ASCII, `"` and `%` are
 * percent codes.
 */
export function encodeToken(token: string): string {
  return token.replace(/[^!#$&-~]+/gu, (text) => encodeURIComponent(text.toWellFormed()))
}

/** Undefined when it is none of ours. */
export function decodeToken(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Node's; browsers have none. */
interface BufferLike {
  from(
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
  ): {
    toString(encoding: 'base64'): string
    write(text: string, encoding: 'base64'): number
  }
}

const nodeBuffer = (globalThis as { Buffer?: BufferLike }).Buffer

export function toBase64(bytes: Uint8Array): string {
  if (nodeBuffer !== undefined) {
    return nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64')
  }
  let text = ''
  for (let i = 0; i < bytes.length; i += 8_192) {
    text += String.fromCharCode(...bytes.subarray(i, i + 8_192))
  }
  return btoa(text)
}

/** Undefined for what is no base64 with padding. */
export function fromBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z\d+/]*={0,2}$/u.test(text)) return undefined
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  if (nodeBuffer !== undefined) {
    // Not from the pool, which small values would pin.
    nodeBuffer.from(bytes.buffer, 0, bytes.length).write(text, 'base64')
    return bytes
  }
  const binary = atob(text)
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i)
  return bytes
}
