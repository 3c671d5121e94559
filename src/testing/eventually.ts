/** Polls follow each other at once for this many rounds, then every {@link INTERVAL_MS}. */
const EAGER_ROUNDS = 50
const INTERVAL_MS = 2

/** How long the suite waits for what has to happen. */
export const PATIENCE_MS = 15_000

/**
 * Resolves with the first value of `condition` that is not undefined, null or false.
 * @throws Error after {@link PATIENCE_MS}, with what was waited for
 */
export async function eventually<T>(
  what: string | (() => string),
  condition: () => T | undefined | null | false,
): Promise<T> {
  const start = performance.now()
  for (let round = 0; ; round++) {
    const value = condition()
    if (value !== undefined && value !== null && value !== false) return value
    if (performance.now() - start > PATIENCE_MS) {
      throw new Error(`timed out waiting for ${typeof what === 'string' ? what : what()}`)
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
