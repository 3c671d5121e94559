import { waitFor } from './wait-for.ts'

/** Comes and goes by itself, or belongs to the process and its output. */
const IGNORED: ReadonlySet<string> = new Set([
  'Immediate',
  'SimpleWriteWrap',
  'SimpleShutdownWrap',
  'TTYWrap',
  'PipeWrap',
  'CloseReq',
])

/** What keeps this process alive, by kind: `TCPSocketWrap`, `TCPServerWrap`, `Timeout`, `FSEventWrap`, … */
export function activeResources(): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) {
    if (!IGNORED.has(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return counts
}

/** Turns of the event loop in which what is being closed may go. */
const TURNS = 10

export interface LeakCheck {
  /** Waits until no more of any kind is open than at the start. @throws Error naming what is left */
  expectNoLeaks(timeoutMs?: number): Promise<void>
}

/** Remembers what is open now. Timers that do not keep the process alive are not seen. */
export async function leakCheck(): Promise<LeakCheck> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise((resolve) => setImmediate(resolve))
  const before = activeResources()
  const leaks = (): string[] => {
    const left: string[] = []
    for (const [kind, count] of activeResources()) {
      const more = count - (before.get(kind) ?? 0)
      if (more > 0) left.push(`${more} ${kind}`)
    }
    return left
  }
  return {
    async expectNoLeaks(timeoutMs = 5_000) {
      await waitFor(() => leaks().length === 0, {
        timeoutMs,
        describe: () => `the end of what was opened: ${leaks().join(', ')}`,
      })
    },
  }
}
