import { initialWatchState, transition } from '../../src/source/watch-state.ts'
import type { WatchEvent, WatchState } from '../../src/source/watch-state.ts'
import type { Micro } from '../micro.ts'

const batches = Array.from({ length: 64 }, (_, i): WatchEvent => ({
  kind: 'changes',
  changes: [],
  position: `epoch:${i}`,
}))

/** What the state machine adds to every batch. */
export const micro: Micro = {
  title: 'Watch state: one transition',
  operations: batches.length,
  tasks: {
    'changes while live': () => {
      let state: WatchState = initialWatchState
      for (const event of [{ kind: 'start' }, { kind: 'listed' }] as const) {
        state = transition(state, event).state
      }
      return () => {
        for (const batch of batches) state = transition(state, batch).state
      }
    },
  },
}
