import type { TurnOutcome } from '../api/run-report.ts'

/** What a turn of a replacement means to who asked for it. */
export type TurnMeaning = 'applied' | 'refused' | 'not-yet-applied'

/** Whose turn did not come gets its RESYNC later: what it watches is stored, and not applied yet. */
export const TURN_MEANING: Readonly<Record<TurnOutcome, TurnMeaning>> = {
  acked: 'applied',
  resumed: 'applied',
  closed: 'applied',
  refused: 'refused',
  timeout: 'refused',
  voided: 'not-yet-applied',
  'passed-over': 'not-yet-applied',
}
