import { Subject } from 'rxjs'
import type { Subscription } from 'rxjs'
import type { Agent } from '../agent/agent.ts'
import { describeError } from '../api/errors.ts'
import type { RefusalReport } from '../api/refusal-report.ts'
import type { RunReport } from '../api/run-report.ts'
import type { RefusalView, RunView, TurnView } from './protocol.ts'

const RUNS = 50
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
    push(this.#runs, run, RUNS)
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
    push(this.#refusals, refusal, REFUSALS)
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

function push<T>(list: T[], item: T, limit: number): void {
  list.push(item)
  if (list.length > limit) list.shift()
}
