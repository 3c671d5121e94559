import type { ResyncReason } from '../api/resync-event.ts'
import type { Batch, Position } from '../api/transport.ts'

/**
 * The life of one watch, without clock and I/O: what the loop does with each thing that happens. `known` says that a
 * complete state was listed once and is held.
 */
export type WatchState =
  | { readonly name: 'idle' }
  | {
      readonly name: 'opening'
      readonly attempt: number
      readonly known: boolean
      /** Asked to go on behind it. */
      readonly from: Position | undefined
    }
  | {
      readonly name: 'listing'
      readonly attempt: number
      readonly known: boolean
      readonly reason: ResyncReason
    }
  | {
      readonly name: 'live'
      readonly attempt: number
      readonly position: Position | undefined
      readonly reconciling: boolean
    }
  | {
      readonly name: 'waiting'
      readonly attempt: number
      readonly known: boolean
      readonly position: Position | undefined
    }
  | { readonly name: 'closed' }

export type WatchEvent =
  | { readonly kind: 'start'; readonly from?: Position }
  | Batch
  /** The stream threw, ended by itself, or was silent for too long. */
  | { readonly kind: 'lost' }
  /** The back-off is over. */
  | { readonly kind: 'retry' }
  | { readonly kind: 'close' }

/** What the loop has to do, in this order. */
export type WatchEffect =
  /** Call `stream`. */
  | { readonly do: 'open'; readonly from: Position | undefined }
  /** Continuity is lost: open RESYNCs are void; what comes is collected apart. */
  | { readonly do: 'begin-list' }
  | { readonly do: 'stage' }
  /** The collected state replaces the held one in one step (W11). */
  | { readonly do: 'swap'; readonly reason: ResyncReason }
  | { readonly do: 'apply' }
  /** A page of a reconcile: present values. */
  | { readonly do: 'confirm' }
  /** The reconcile is complete: what nobody named is gone. */
  | { readonly do: 'prune' }
  | { readonly do: 'advance' }
  /** Give the stream up. */
  | { readonly do: 'abandon' }
  /** Send `retry` after the back-off of this attempt. */
  | { readonly do: 'back-off'; readonly attempt: number }
  /** The transport broke the protocol of `stream`; the loop sends `lost`. */
  | { readonly do: 'breach'; readonly problem: string }

export interface WatchStep {
  readonly state: WatchState
  readonly effects: readonly WatchEffect[]
}

const NONE: readonly WatchEffect[] = []
const STAGE: readonly WatchEffect[] = [{ do: 'stage' }]
const BEGIN_AND_STAGE: readonly WatchEffect[] = [{ do: 'begin-list' }, { do: 'stage' }]
const BEGIN: readonly WatchEffect[] = [{ do: 'begin-list' }]
const APPLY: readonly WatchEffect[] = [{ do: 'apply' }]
const ADVANCE: readonly WatchEffect[] = [{ do: 'advance' }]
const CONFIRM: readonly WatchEffect[] = [{ do: 'confirm' }]
const PRUNE: readonly WatchEffect[] = [{ do: 'prune' }, { do: 'advance' }]
const ABANDON: readonly WatchEffect[] = [{ do: 'abandon' }]

export const initialWatchState: WatchState = { name: 'idle' }

/** The table of SPEC.md: every state has an answer to every event. */
export function transition(state: WatchState, event: WatchEvent): WatchStep {
  if (event.kind === 'close') return close(state)
  switch (state.name) {
    case 'idle':
      return event.kind === 'start' ? open(0, event.from !== undefined, event.from) : stay(state)
    case 'opening':
      return opening(state, event)
    case 'listing':
      return listing(state, event)
    case 'live':
      return live(state, event)
    case 'waiting':
      return event.kind === 'retry' ? open(state.attempt, state.known, state.position) : stay(state)
    case 'closed':
      return stay(state)
  }
}

type In<Name extends WatchState['name']> = Extract<WatchState, { name: Name }>
type StreamEvent = Exclude<WatchEvent, { kind: 'close' }>

function opening(state: In<'opening'>, event: StreamEvent): WatchStep {
  const { attempt, known } = state
  switch (event.kind) {
    case 'pairs':
      // Without a position there was nothing to go on from: what comes is a list.
      if (state.from !== undefined) return breach(state, 'pairs without a reset after a position')
      return { state: beginList(state, undefined), effects: BEGIN_AND_STAGE }
    case 'listed': {
      if (state.from !== undefined) return breach(state, 'listed without a reset after a position')
      const list = beginList(state, undefined)
      return {
        state: becomeLive(attempt, event.position),
        effects: [{ do: 'begin-list' }, { do: 'swap', reason: list.reason }],
      }
    }
    case 'changes':
      if (state.from === undefined) return breach(state, 'changes before listed')
      return { state: becomeLive(0, event.position ?? state.from), effects: APPLY }
    case 'progress':
      // A sign of life before the list begins, or the word that the stream goes on.
      if (state.from === undefined) return stay(state)
      return { state: becomeLive(0, event.position ?? state.from), effects: ADVANCE }
    case 'reset':
      return { state: beginList(state, event.reason), effects: BEGIN }
    case 'lost':
      return backOff(attempt, known, state.from)
    case 'start':
    case 'retry':
      return stay(state)
  }
}

function listing(state: In<'listing'>, event: StreamEvent): WatchStep {
  switch (event.kind) {
    case 'pairs':
      return { state, effects: STAGE }
    case 'listed':
      return {
        state: becomeLive(state.attempt, event.position),
        effects: [{ do: 'swap', reason: state.reason }],
      }
    case 'reset':
      return { state, effects: BEGIN }
    case 'changes':
      return breach(state, 'changes before listed')
    case 'progress':
      return stay(state)
    case 'lost':
      return backOff(state.attempt, state.known, undefined)
    case 'start':
    case 'retry':
      return stay(state)
  }
}

function live(state: In<'live'>, event: StreamEvent): WatchStep {
  switch (event.kind) {
    case 'changes':
      return { state: advance(state, event.position), effects: APPLY }
    case 'progress':
      return { state: advance(state, event.position), effects: ADVANCE }
    case 'pairs':
      return {
        state: state.reconciling ? state : { ...state, reconciling: true },
        effects: CONFIRM,
      }
    case 'listed':
      return {
        state: {
          ...state,
          attempt: 0,
          position: event.position ?? state.position,
          reconciling: false,
        },
        effects: PRUNE,
      }
    case 'reset':
      return {
        state: { name: 'listing', attempt: state.attempt, known: true, reason: event.reason },
        effects: BEGIN,
      }
    case 'lost':
      return backOff(state.attempt, true, state.position)
    case 'start':
    case 'retry':
      return stay(state)
  }
}

function open(attempt: number, known: boolean, from: Position | undefined): WatchStep {
  return { state: { name: 'opening', attempt, known, from }, effects: [{ do: 'open', from }] }
}

function beginList(
  state: In<'opening'>,
  reset: 'reconnected' | 'compacted' | undefined,
): In<'listing'> {
  const reason = reset ?? (state.known ? 'reconnected' : 'startup')
  return { name: 'listing', attempt: state.attempt, known: state.known, reason }
}

function becomeLive(attempt: number, position: Position | undefined): WatchState {
  return { name: 'live', attempt, position, reconciling: false }
}

/** W14: only an event or a progress mark starts the back-off over. W3: the position moves with what was handed over. */
function advance(state: In<'live'>, position: Position | undefined): WatchState {
  if (state.attempt === 0 && position === undefined) return state
  return {
    name: 'live',
    attempt: 0,
    position: position ?? state.position,
    reconciling: state.reconciling,
  }
}

function backOff(attempt: number, known: boolean, position: Position | undefined): WatchStep {
  return {
    state: { name: 'waiting', attempt: attempt + 1, known, position },
    effects: [{ do: 'abandon' }, { do: 'back-off', attempt }],
  }
}

function breach(state: WatchState, problem: string): WatchStep {
  return { state, effects: [{ do: 'breach', problem }] }
}

function close(state: WatchState): WatchStep {
  if (state.name === 'closed') return stay(state)
  return { state: { name: 'closed' }, effects: ABANDON }
}

function stay(state: WatchState): WatchStep {
  return { state, effects: NONE }
}
