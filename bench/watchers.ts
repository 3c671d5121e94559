import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Measurement, Row, Side } from './scenario.ts'
import { perSecond } from './workload.ts'

/** Watchers of one hub, in a process of their own. */
export const WATCHERS = 1_000
/** Changes of a sample, each waited for until every watcher has it. */
const ROUNDS = 100
/** Changes of a sample that follow each other without waiting. */
const BURST = 300

/** One change that reaches all, changes in a row, and what a watcher costs. */
export function watcherRows(id: string, beside: string): Row[] {
  const row = (suffix: string, work: string, metric: string, unit: string): Row => ({
    id: id + suffix,
    work,
    ours: 'ours',
    beside,
    metric,
    unit,
  })
  const one = row('', 'one change → 1 000 watchers, then the next', 'perSecond', 'deliveries/s')
  return [
    { ...one, goal: { atLeast: 0.7 } },
    row('p', 'changes in a row → 1 000 watchers', 'burstPerSecond', 'deliveries/s'),
    row('m', 'memory of the server per watcher', 'kbPerWatcher', 'kB'),
  ]
}

/**
 * Starts the watchers: `client` says `open` when all streams have begun; a message with a number asks it to say `done` when
 * every watcher has got so many more changes.
 */
export async function watched(
  client: { readonly program: string; readonly args: readonly string[] },
  change: (i: number) => Promise<unknown>,
  close: () => Promise<void>,
): Promise<Side> {
  const before = heldBytes()
  const child = fork(fileURLToPath(new URL(client.program, import.meta.url)), [...client.args])
  await heard(child)
  const kbPerWatcher = (heldBytes() - before) / WATCHERS / 1_024
  const reached = async (events: number, act: () => Promise<void>): Promise<void> => {
    const done = heard(child)
    child.send(events)
    await act()
    await done
  }
  return {
    sample: async (): Promise<Measurement> => {
      let startedAt = performance.now()
      for (let i = 0; i < ROUNDS; i++) await reached(1, async () => void (await change(i)))
      const rounds = perSecond(ROUNDS * WATCHERS, startedAt)
      startedAt = performance.now()
      await reached(BURST, async () => {
        for (let i = 0; i < BURST; i++) await change(i)
      })
      const burstPerSecond = perSecond(BURST * WATCHERS, startedAt)
      return { perSecond: rounds, burstPerSecond, kbPerWatcher }
    },
    close: async () => {
      child.disconnect()
      await close()
    },
  }
}

async function heard(client: ChildProcess): Promise<void> {
  await once(client, 'message')
}

/** What the process holds after a collection, buffers of sockets included. */
function heldBytes(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}
