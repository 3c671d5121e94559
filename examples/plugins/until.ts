import { setTimeout as sleep } from 'node:timers/promises'

/** Looks every few milliseconds until the condition holds. @throws Error after ten seconds */
export async function until(what: string, condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > end) throw new Error(`gave up waiting until ${what}`)
    await sleep(10)
  }
}
