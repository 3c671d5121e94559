import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Message } from '../src/index.ts'

/** Bytes of the values: what a small configuration message takes. */
export const VALUE_BYTES = 98

/** Writes under way at a time, as `publish` has them. */
const WINDOW = 256

/** Different values of the same size. */
export function makeValues(count: number, bytes: number = VALUE_BYTES): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const value = new Uint8Array(bytes)
    for (let at = 0; at < bytes; at++) value[at] = (i * 31 + at * 7) & 0x7f
    return value
  })
}

/** Messages that give new bytes at every write, as serializers do; it costs them one copy and no more. */
export function makeMessages(count: number): Message[] {
  return makeValues(count).map((value) => ({ serializeBinary: () => value.slice() }))
}

/** Messages that always give the same bytes: encoding is nobody's cost, and no value is ever new to the heap. */
export function makeEncodedMessages(count: number): Message[] {
  return makeValues(count).map((value) => ({ serializeBinary: () => value }))
}

/** `/agents/a00042/state`: one key under a prefix of its own. */
export function agentKey(i: number): string {
  return `${agentPrefix(i)}state`
}

export function agentPrefix(i: number): string {
  return `/agents/a${String(i).padStart(5, '0')}/`
}

/**
 * Calls `write` so many times, with 256 under way, and waits for all. Every window leaves the event loop a turn, as any
 * program does that reads what it writes from somewhere.
 */
export async function writeInWindows(
  count: number,
  write: (i: number) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < count; start += WINDOW) {
    const under: Promise<unknown>[] = []
    for (let i = start; i < Math.min(count, start + WINDOW); i++) under.push(write(i))
    await Promise.all(under)
    await nextTurn()
  }
}

/** Counts what a receiver sees and lets a sample wait for it. */
export class Counter {
  /** Events so far. */
  seen = 0
  #target = Infinity
  #reached: (() => void) | undefined

  count(): void {
    this.seen++
    if (this.seen >= this.#target) this.#reached?.()
  }

  /** Resolves when so many more have been counted than at the call of `from`. */
  async reaches(target: number): Promise<void> {
    if (this.seen >= target) return
    await new Promise<void>((resolve) => {
      this.#target = target
      this.#reached = resolve
    })
    this.#target = Infinity
  }
}

/** How many of `count` were done per second since `startedAt` (of `performance.now()`). */
export function perSecond(count: number, startedAt: number): number {
  return (count * 1_000) / (performance.now() - startedAt)
}
