import { inspect } from 'node:util'

export interface WaitForOptions {
  /** 10 000. */
  readonly timeoutMs?: number
  /** What is waited for, as it completes "timed out waiting for …"; a function is asked at the end. */
  readonly describe?: string | (() => string)
}

/** Polls of a condition follow each other at once for this many rounds, then every {@link INTERVAL_MS}. */
const EAGER_ROUNDS = 20
const INTERVAL_MS = 5

/**
 * Polls until `condition` gives something truthy, and returns that. A condition that throws counts as not yet.
 * @throws Error at the timeout, with the condition's last value or error
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  options: WaitForOptions = {},
): Promise<NonNullable<T>> {
  const { timeoutMs = 10_000, describe = 'the condition' } = options
  const start = performance.now()
  for (let round = 0; ; round++) {
    let last: string
    let cause: unknown
    try {
      const value = await condition()
      if (value) return value
      last = `last value: ${inspect(value)}`
    } catch (error) {
      last = `last error: ${error instanceof Error ? error.message : inspect(error)}`
      cause = error
    }
    if (performance.now() - start >= timeoutMs) {
      const what = typeof describe === 'string' ? describe : describe()
      throw new Error(`timed out after ${timeoutMs} ms waiting for ${what}; ${last}`, { cause })
    }
    await pause(round)
  }
}

function pause(round: number): Promise<void> {
  return new Promise((resolve) => {
    if (round < EAGER_ROUNDS) setImmediate(resolve)
    else setTimeout(resolve, INTERVAL_MS)
  })
}
