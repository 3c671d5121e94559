import type { Clock, Timer } from '../api/clock.ts'
import { abortable } from './abortable.ts'

/** Resolves after the time; leaves no timer behind when the signal aborts. @throws the signal's reason */
export function pause(ms: number, clock: Clock, signal: AbortSignal): Promise<void> {
  let timer: Timer | undefined
  const passed = new Promise<void>((resolve) => {
    timer = clock.after(ms, resolve)
  })
  return abortable(passed, signal).finally(() => timer?.stop())
}
