import { InvalidOptionError } from '../api/errors.ts'
import { hasPrefix } from '../api/key.ts'
import type { Position, RawPair } from '../api/transport.ts'
import type { Checkpoint, CheckpointPart } from '../api/watcher.ts'
import { coverOf } from '../kit/prefix-index.ts'
import type { Feed } from '../source/source.ts'
import type { PendingChange } from './pending-change.ts'

/**
 * The last acknowledged position and its fold (W21): the feeds' states with everything taken back that is not
 * acknowledged. Undefined where a feed has no position.
 */
export function makeCheckpoint(
  transport: string,
  prefixes: readonly string[],
  routes: readonly { readonly prefix: string; readonly feed: Feed }[],
  pending: readonly PendingChange[],
): Checkpoint | undefined {
  const parts: CheckpointPart[] = []
  for (const feed of new Set(routes.map((route) => route.feed))) {
    const own = routes.filter((route) => route.feed === feed).map((route) => route.prefix)
    // The open change may be of a prefix that was unregistered meanwhile.
    const open = pending.filter(
      (change) => change.feed === feed && own.some((prefix) => hasPrefix(change.key, prefix)),
    )
    const position = open[0] === undefined ? feed.position : open[0].before
    if (position === undefined) return undefined
    const fold = new Map<string, RawPair>()
    for (const prefix of own) {
      for (const pair of feed.values.view(prefix)) fold.set(pair.key, pair)
    }
    for (const change of open.toReversed()) {
      if (change.prev === undefined) fold.delete(change.key)
      else fold.set(change.key, change.prev)
    }
    const pairs = Array.from(
      fold.values(),
      (pair) => [pair.key, toBase64(pair.value), pair.revision, pair.version] as const,
    )
    parts.push({ prefixes: own, position, pairs })
  }
  return { format: 1, transport, prefixes: [...prefixes], parts }
}

export interface ResumePart {
  readonly prefixes: readonly string[]
  readonly position: Position
  readonly pairs: readonly RawPair[]
}

/**
 * What a checkpoint says, or undefined when it is of another transport or other prefixes (C1: then it is ignored).
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) when it is no checkpoint at all
 */
export function readCheckpoint(
  checkpoint: Checkpoint,
  transport: string,
  prefixes: readonly string[],
): readonly ResumePart[] | undefined {
  if (!isCheckpoint(checkpoint)) throw new InvalidOptionError('resume', 'is not a checkpoint')
  if (checkpoint.transport !== transport) return undefined
  const wanted = coverOf(prefixes)
  const held = coverOf(checkpoint.parts.flatMap((part) => part.prefixes))
  if (wanted.length !== held.length || wanted.some((prefix, i) => prefix !== held[i])) {
    return undefined
  }
  return checkpoint.parts.map((part) => ({
    prefixes: part.prefixes,
    position: part.position,
    pairs: part.pairs.map(([key, value, revision, version]) => ({
      key,
      value: fromBase64(value),
      revision,
      version,
    })),
  }))
}

function isCheckpoint(value: Partial<Checkpoint>): value is Checkpoint {
  return (
    value.format === 1 &&
    typeof value.transport === 'string' &&
    Array.isArray(value.parts) &&
    value.parts.every(
      (part: Partial<CheckpointPart> | null) =>
        typeof part === 'object' &&
        part !== null &&
        typeof part.position === 'string' &&
        isListOf(part.prefixes, (prefix) => typeof prefix === 'string') &&
        isListOf(part.pairs, isPair),
    )
  )
}

function isPair(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    typeof value[0] === 'string' &&
    typeof value[1] === 'string' &&
    Number.isInteger(value[2]) &&
    typeof value[3] === 'string'
  )
}

function isListOf(value: unknown, check: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(check)
}

function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let i = 0; i < bytes.length; i += 8_192) {
    binary += String.fromCharCode(...bytes.subarray(i, i + 8_192))
  }
  return btoa(binary)
}

function fromBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  } catch (cause) {
    throw new InvalidOptionError('resume', 'holds a value that is not base64', { cause })
  }
}
