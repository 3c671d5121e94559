import { describe, expect, it } from '@jest/globals'
import { initialWatchState, transition } from '../../../src/source/watch-state.ts'
import type { WatchEffect, WatchEvent, WatchState } from '../../../src/source/watch-state.ts'

/** The states that answer differently, each with one example. */
const STATES = {
  idle: initialWatchState,
  opening: { name: 'opening', attempt: 2, known: false, from: undefined },
  'opening, known': { name: 'opening', attempt: 2, known: true, from: undefined },
  resuming: { name: 'opening', attempt: 2, known: true, from: 'p1' },
  listing: { name: 'listing', attempt: 2, known: false, reason: 'startup' },
  'listing anew': { name: 'listing', attempt: 2, known: true, reason: 'compacted' },
  live: { name: 'live', attempt: 2, position: 'p1', reconciling: false },
  reconciling: { name: 'live', attempt: 2, position: 'p1', reconciling: true },
  waiting: { name: 'waiting', attempt: 3, known: true, position: 'p1' },
  closed: { name: 'closed' },
} as const satisfies Record<string, WatchState>

const EVENTS = {
  start: { kind: 'start' },
  'start from': { kind: 'start', from: 'p1' },
  pairs: { kind: 'pairs', pairs: [] },
  listed: { kind: 'listed', position: 'p2' },
  changes: { kind: 'changes', changes: [], position: 'p2' },
  progress: { kind: 'progress', position: 'p2' },
  'progress without position': { kind: 'progress' },
  'reset reconnected': { kind: 'reset', reason: 'reconnected' },
  'reset compacted': { kind: 'reset', reason: 'compacted' },
  lost: { kind: 'lost' },
  retry: { kind: 'retry' },
  close: { kind: 'close' },
} as const satisfies Record<string, WatchEvent>

type StateName = keyof typeof STATES
type EventName = keyof typeof EVENTS
type Effects = readonly (WatchEffect['do'] | WatchEffect)[]
/** The next state, as what differs from `stay`; then the effects. */
type Cell = 'stay' | 'breach' | readonly [state: WatchState, effects: Effects]

const CLOSED: Cell = [{ name: 'closed' }, ['abandon']]

const back = (attempt: number, known: boolean, position?: string): Cell => [
  { name: 'waiting', attempt: attempt + 1, known, position },
  ['abandon', { do: 'back-off', attempt }],
]
const live = (attempt: number, position: string | undefined, effects: Effects): Cell => [
  { name: 'live', attempt, position, reconciling: false },
  effects,
]
const listing = (
  known: boolean,
  reason: 'startup' | 'reconnected' | 'compacted',
  effects: Effects,
): Cell => [{ name: 'listing', attempt: 2, known, reason }, effects]

/** A missing cell does not compile. */
const TABLE: Record<StateName, Record<EventName, Cell>> = {
  idle: {
    start: [
      { name: 'opening', attempt: 0, known: false, from: undefined },
      [{ do: 'open', from: undefined }],
    ],
    'start from': [
      { name: 'opening', attempt: 0, known: true, from: 'p1' },
      [{ do: 'open', from: 'p1' }],
    ],
    pairs: 'stay',
    listed: 'stay',
    changes: 'stay',
    progress: 'stay',
    'progress without position': 'stay',
    'reset reconnected': 'stay',
    'reset compacted': 'stay',
    lost: 'stay',
    retry: 'stay',
    close: CLOSED,
  },
  opening: {
    start: 'stay',
    'start from': 'stay',
    pairs: listing(false, 'startup', ['begin-list', 'stage']),
    // W14: a list is no sign that the link holds.
    listed: live(2, 'p2', ['begin-list', { do: 'swap', reason: 'startup' }]),
    changes: 'breach',
    progress: 'stay',
    'progress without position': 'stay',
    'reset reconnected': listing(false, 'reconnected', ['begin-list']),
    'reset compacted': listing(false, 'compacted', ['begin-list']),
    lost: back(2, false),
    retry: 'stay',
    close: CLOSED,
  },
  'opening, known': {
    start: 'stay',
    'start from': 'stay',
    pairs: listing(true, 'reconnected', ['begin-list', 'stage']),
    listed: live(2, 'p2', ['begin-list', { do: 'swap', reason: 'reconnected' }]),
    changes: 'breach',
    progress: 'stay',
    'progress without position': 'stay',
    'reset reconnected': listing(true, 'reconnected', ['begin-list']),
    'reset compacted': listing(true, 'compacted', ['begin-list']),
    lost: back(2, true),
    retry: 'stay',
    close: CLOSED,
  },
  resuming: {
    start: 'stay',
    'start from': 'stay',
    pairs: 'breach',
    listed: 'breach',
    changes: live(0, 'p2', ['apply']),
    progress: live(0, 'p2', ['advance']),
    'progress without position': live(0, 'p1', ['advance']),
    'reset reconnected': listing(true, 'reconnected', ['begin-list']),
    'reset compacted': listing(true, 'compacted', ['begin-list']),
    lost: back(2, true, 'p1'),
    retry: 'stay',
    close: CLOSED,
  },
  listing: {
    start: 'stay',
    'start from': 'stay',
    pairs: [STATES.listing, ['stage']],
    listed: live(2, 'p2', [{ do: 'swap', reason: 'startup' }]),
    changes: 'breach',
    progress: 'stay',
    'progress without position': 'stay',
    'reset reconnected': [STATES.listing, ['begin-list']],
    'reset compacted': [STATES.listing, ['begin-list']],
    lost: back(2, false),
    retry: 'stay',
    close: CLOSED,
  },
  'listing anew': {
    start: 'stay',
    'start from': 'stay',
    pairs: [STATES['listing anew'], ['stage']],
    listed: live(2, 'p2', [{ do: 'swap', reason: 'compacted' }]),
    changes: 'breach',
    progress: 'stay',
    'progress without position': 'stay',
    // Of several reasons the earliest.
    'reset reconnected': [STATES['listing anew'], ['begin-list']],
    'reset compacted': [STATES['listing anew'], ['begin-list']],
    lost: back(2, true),
    retry: 'stay',
    close: CLOSED,
  },
  live: {
    start: 'stay',
    'start from': 'stay',
    pairs: [STATES.reconciling, ['confirm']],
    listed: live(0, 'p2', ['prune', 'advance']),
    changes: live(0, 'p2', ['apply']),
    progress: live(0, 'p2', ['advance']),
    'progress without position': live(0, 'p1', ['advance']),
    'reset reconnected': listing(true, 'reconnected', ['begin-list']),
    'reset compacted': listing(true, 'compacted', ['begin-list']),
    lost: back(2, true, 'p1'),
    retry: 'stay',
    close: CLOSED,
  },
  reconciling: {
    start: 'stay',
    'start from': 'stay',
    pairs: [STATES.reconciling, ['confirm']],
    listed: live(0, 'p2', ['prune', 'advance']),
    changes: [{ name: 'live', attempt: 0, position: 'p2', reconciling: true }, ['apply']],
    progress: [{ name: 'live', attempt: 0, position: 'p2', reconciling: true }, ['advance']],
    'progress without position': [
      { name: 'live', attempt: 0, position: 'p1', reconciling: true },
      ['advance'],
    ],
    'reset reconnected': listing(true, 'reconnected', ['begin-list']),
    'reset compacted': listing(true, 'compacted', ['begin-list']),
    lost: back(2, true, 'p1'),
    retry: 'stay',
    close: CLOSED,
  },
  waiting: {
    start: 'stay',
    'start from': 'stay',
    // What a stream that was given up still says.
    pairs: 'stay',
    listed: 'stay',
    changes: 'stay',
    progress: 'stay',
    'progress without position': 'stay',
    'reset reconnected': 'stay',
    'reset compacted': 'stay',
    lost: 'stay',
    retry: [{ name: 'opening', attempt: 3, known: true, from: 'p1' }, [{ do: 'open', from: 'p1' }]],
    close: CLOSED,
  },
  closed: {
    start: 'stay',
    'start from': 'stay',
    pairs: 'stay',
    listed: 'stay',
    changes: 'stay',
    progress: 'stay',
    'progress without position': 'stay',
    'reset reconnected': 'stay',
    'reset compacted': 'stay',
    lost: 'stay',
    retry: 'stay',
    close: 'stay',
  },
}

const cells = (Object.keys(STATES) as StateName[]).flatMap((state) =>
  (Object.keys(EVENTS) as EventName[]).map((event) => ({
    state,
    event,
    cell: TABLE[state][event],
  })),
)

describe('the states of a watch', () => {
  it.each(cells)('$state, $event', ({ state, event, cell }) => {
    const before = STATES[state]
    const step = transition(before, EVENTS[event])
    if (cell === 'stay') {
      expect(step).toEqual({ state: before, effects: [] })
      return
    }
    if (cell === 'breach') {
      expect(step.state).toEqual(before)
      expect(step.effects.map((effect) => effect.do)).toEqual(['breach'])
      return
    }
    const [after, effects] = cell
    expect(step.state).toEqual(after)
    expect(step.effects).toEqual(effects.map((e) => (typeof e === 'string' ? { do: e } : e)))
  })

  it('never changes a state in place', () => {
    for (const { state, event } of cells) {
      const frozen = Object.freeze({ ...STATES[state] })
      expect(() => transition(frozen, EVENTS[event])).not.toThrow()
    }
  })

  it('W14: only an event or a progress mark starts the back-off over', () => {
    let state: WatchState = initialWatchState
    const attempts: number[] = []
    const send = (event: WatchEvent): void => {
      const step = transition(state, event)
      state = step.state
      for (const effect of step.effects) if (effect.do === 'back-off') attempts.push(effect.attempt)
    }
    send({ kind: 'start' })
    for (let i = 0; i < 3; i++) {
      send({ kind: 'pairs', pairs: [] })
      send({ kind: 'listed' })
      send({ kind: 'lost' })
      send({ kind: 'retry' })
    }
    expect(attempts).toEqual([0, 1, 2])
    send({ kind: 'listed' })
    send({ kind: 'progress' })
    send({ kind: 'lost' })
    expect(attempts).toEqual([0, 1, 2, 0])
  })

  it('W3: the position moves with what was handed over only', () => {
    const start = STATES.live
    const kept = transition(start, { kind: 'changes', changes: [] }).state
    expect(kept).toMatchObject({ position: 'p1' })
    expect(transition(kept, { kind: 'lost' }).state).toMatchObject({ position: 'p1' })
    expect(transition(STATES.listing, { kind: 'progress', position: 'p9' }).state).toEqual(
      STATES.listing,
    )
  })
})
