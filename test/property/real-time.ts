import { setTimeout as delay } from 'node:timers/promises'
import { systemClock } from '../../src/api/clock.ts'
import type { World } from './watch-model.ts'

/** Of a world whose time is real: short back-offs, short timeouts. */
export const REAL_TIME: Pick<World, 'clock' | 'agent' | 'doneTimeoutMs' | 'pass' | 'calm'> = {
  clock: systemClock,
  agent: { random: () => Math.random() * 0.01, acceptTimeoutMs: 20, ackTimeoutMs: 100 },
  doneTimeoutMs: { change: 30, resync: 60 },
  pass: (ms) => delay(ms),
  calm: { ms: 20, rounds: 1_000 },
}

export const REAL_PAUSES = [0, 1, 10, 50, 120, 400] as const
