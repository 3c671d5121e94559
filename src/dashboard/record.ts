import { Subject } from 'rxjs'
import type { Subscription } from 'rxjs'
import type { Agent } from '../agent/agent.ts'
import { describeError } from '../api/errors.ts'
import type { RefusalReport } from '../api/refusal-report.ts'
import type { RunReport } from '../api/run-report.ts'
import type { RefusalView, RunView, TurnView } from './protocol.ts'

const RUNS = 50
/** Of all runs that are kept: a page is told all of them when it opens. */
const TURNS = 10_000
const REFUSALS = 100
/** Longest text of an error. */
const TEXT = 2_000

/** The last runs and refusals since the dashboard was made. */
export class Record {
  readonly #runs: RunView[] = []
  readonly #refusals: RefusalView[] = []
  readonly #subscription: Subscription
  readonly run$: Subject<RunView> = new Subject()
  readonly refusal$: Subject<RefusalView> = new Subject()
  #turns = 0
  #lastRun = 0
  #lastRefusal = 0

  constructor(agent: Agent) {
    this.#subscription = agent.runs$.subscribe((report) => this.#ran(report))
    this.#subscription.add(agent.refusals$.subscribe((report) => this.#refused(report)))
  }

  close(): void {
    this.#subscription.unsubscribe()
  }

  /** Oldest first. */
  get runs(): readonly RunView[] {
    return this.#runs
  }

  get refusals(): readonly RefusalView[] {
    return this.#refusals
  }

  #ran(report: RunReport): void {
    const run = { id: ++this.#lastRun, ...runView(report, this.#refusals) }
    this.#runs.push(run)
    this.#turns += run.turns.length
    // The last one is told as it is.
    while (this.#runs.length > 1 && (this.#runs.length > RUNS || this.#turns > TURNS)) {
      this.#turns -= (this.#runs.shift() as RunView).turns.length
    }
    this.run$.next(run)
  }

  #refused({ registration, at, kind, result, key, error }: RefusalReport): void {
    const refusal: RefusalView = {
      id: ++this.#lastRefusal,
      registration,
      at,
      kind,
      result,
      ...(key === undefined ? {} : { key }),
      error: errorText(error),
    }
    this.#refusals.push(refusal)
    if (this.#refusals.length > REFUSALS) this.#refusals.shift()
    this.refusal$.next(refusal)
  }
}

/** A report, with the reasons of those of its turns that were refused. */
export function runView(
  { reason, startedAt, durationMs, turns }: RunReport,
  refusals: readonly RefusalView[],
): Omit<RunView, 'id'> {
  const errors = new Map<string, string | undefined>()
  for (const { kind, at, registration, error } of refusals) {
    if (kind === 'resync' && at >= startedAt && at <= startedAt + durationMs) {
      errors.set(registration, error)
    }
  }
  return { reason, startedAt, durationMs, turns: turns.map((turn) => withError(turn, errors)) }
}

/** The text of an error, of a length that can be shown. */
export function errorText(error: unknown): string {
  const text = describeError(error)
  return text.length > TEXT ? `${text.slice(0, TEXT).toWellFormed()}…` : text
}

function withError(turn: TurnView, errors: ReadonlyMap<string, string | undefined>): TurnView {
  const failed = turn.outcome === 'refused' || turn.outcome === 'timeout'
  const error = failed ? errors.get(turn.name) : undefined
  return error === undefined ? turn : { ...turn, error }
}
