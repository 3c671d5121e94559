import { FakeClock } from '../../src/testing/index.ts'
import type { World } from './watch-model.ts'

/** Of a world whose time is a clock of its own, on which no timer may be left. */
export function virtualTime(): Pick<
  World,
  'clock' | 'agent' | 'doneTimeoutMs' | 'pass' | 'calm' | 'dispose'
> {
  const clock = new FakeClock()
  return {
    clock,
    agent: { random: () => 0.5 },
    doneTimeoutMs: { change: 2_000, resync: 10_000 },
    pass: (ms) => clock.run(ms),
    calm: { ms: 10_000, rounds: 40 },
    dispose: async () => {
      if (clock.pending > 0) throw new Error(`C11: ${clock.pending} timers are left`)
    },
  }
}

export const VIRTUAL_PAUSES = [0, 1, 20, 100, 700, 1_500, 2_500, 11_000, 70_000] as const
