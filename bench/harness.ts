import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Measurement, Row, Scenario } from './scenario.ts'
import { median } from './statistics.ts'

/** A {@link Measurement} with what the harness adds: heapMb, peakRssMb, cpuMs, loopDelayMs (p99). */
export interface Sample extends Measurement {
  readonly heapMb: number
  readonly peakRssMb: number
}

export interface RowResult {
  readonly row: Row
  readonly ours: number
  readonly beside: number
  readonly ratio: number
  /** The smallest and the largest ratio of samples that followed each other. */
  readonly spread: readonly [number, number]
  /** Undefined without a goal. */
  readonly ok: boolean | undefined
}

export interface ScenarioResult {
  readonly title: string
  readonly versions: readonly string[]
  readonly samples: Readonly<Record<string, readonly Sample[]>>
  readonly rows: readonly RowResult[]
}

const SIDE = fileURLToPath(new URL('side.js', import.meta.url))

/** A side that has not answered by then is stuck. */
const ANSWER_MS = 120_000

/** From the parent to a side. */
export type Request = 'warm-up' | 'sample' | 'close'
/** From a side to the parent. */
export type Answer = { readonly ready: true } | { readonly sample: Sample }

/**
 * Takes samples of all sides in turn (ours, bare, ours, bare, …), so that what disturbs the machine disturbs all. Every
 * side has a process of its own: one does not spoil the other's optimised code or heap.
 */
export async function runScenario(scenario: Scenario): Promise<ScenarioResult> {
  const shared = await scenario.prepare?.()
  try {
    const names = Object.keys(scenario.sides)
    const samples = new Map<string, Sample[]>(names.map((name) => [name, []]))
    const settings = shared?.settings ?? {}
    const take =
      scenario.freshProcess === true
        ? takeFresh(scenario, settings, samples)
        : takeWarm(scenario, settings, samples)
    await take
    return {
      title: scenario.title,
      versions: shared?.versions ?? [],
      samples: Object.fromEntries(samples),
      rows: scenario.rows.map((row) => judge(row, samples)),
    }
  } finally {
    await shared?.close()
  }
}

async function takeWarm(
  scenario: Scenario,
  settings: Readonly<Record<string, string>>,
  samples: ReadonlyMap<string, Sample[]>,
): Promise<void> {
  const sides = new Map<string, SideProcess>()
  try {
    for (const name of samples.keys()) {
      sides.set(name, await SideProcess.start(scenario, name, settings))
    }
    for (let i = scenario.warmUps ?? 2; i > 0; i--) {
      for (const side of sides.values()) await side.ask('warm-up')
    }
    for (let i = scenario.samples ?? 5; i > 0; i--) {
      for (const [name, side] of sides) samples.get(name)?.push(await side.ask('sample'))
    }
  } finally {
    for (const side of sides.values()) await side.stop()
  }
}

async function takeFresh(
  scenario: Scenario,
  settings: Readonly<Record<string, string>>,
  samples: ReadonlyMap<string, Sample[]>,
): Promise<void> {
  for (let i = scenario.samples ?? 5; i > 0; i--) {
    for (const [name, taken] of samples) {
      const side = await SideProcess.start(scenario, name, settings)
      try {
        for (let w = scenario.warmUps ?? 0; w > 0; w--) await side.ask('warm-up')
        taken.push(await side.ask('sample'))
      } finally {
        await side.stop()
      }
    }
  }
}

function judge(row: Row, samples: ReadonlyMap<string, readonly Sample[]>): RowResult {
  const values = (side: string): number[] => {
    const taken = samples.get(side)
    if (taken === undefined) throw new Error(`${row.id} names a side that is none: ${side}`)
    return taken.map((sample) => sample[row.metric] ?? Number.NaN)
  }
  const ours = values(row.ours)
  const beside = values(row.beside)
  const ratios = ours.map((value, i) => value / (beside[i] ?? Number.NaN))
  const ratio = median(ours) / median(beside)
  return {
    row,
    ours: median(ours),
    beside: median(beside),
    ratio,
    spread: [Math.min(...ratios), Math.max(...ratios)],
    ok: row.goal === undefined ? undefined : reaches(ratio, row.goal),
  }
}

function reaches(ratio: number, goal: NonNullable<Row['goal']>): boolean {
  return 'atLeast' in goal ? ratio >= goal.atLeast : ratio <= goal.atMost
}

/** A child process that runs one side. */
class SideProcess {
  readonly #child: ChildProcess
  readonly #name: string

  private constructor(child: ChildProcess, name: string) {
    this.#child = child
    this.#name = name
  }

  static async start(
    scenario: Scenario,
    name: string,
    settings: Readonly<Record<string, string>>,
  ): Promise<SideProcess> {
    const child = fork(SIDE, [scenario.url, name, JSON.stringify(settings)], {
      execArgv: ['--expose-gc', '--enable-source-maps', ...profiling(name)],
    })
    const side = new SideProcess(child, name)
    await side.#answer()
    return side
  }

  async ask(request: 'warm-up' | 'sample'): Promise<Sample> {
    this.#child.send(request)
    const answer = await this.#answer()
    if (!('sample' in answer)) throw new Error(`${this.#name} answered without a sample`)
    return answer.sample
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.#child.send('close')
    await exited
  }

  async #answer(): Promise<Answer> {
    const ended = new AbortController()
    const exit = once(this.#child, 'exit', { signal: ended.signal }).then(([code, by]) => {
      throw new Error(`the process of ${this.#name} ended with ${String(code ?? by)}`)
    })
    exit.catch(() => {}) // aborted below
    const late = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_MS)
    try {
      const message = once(this.#child, 'message', { signal: ended.signal })
      const [answer] = (await Promise.race([message, exit])) as [Answer]
      return answer
    } finally {
      clearTimeout(late)
      ended.abort()
    }
  }
}

/** `BENCH_PROFILE=folder` leaves a CPU profile of every side there. */
function profiling(name: string): string[] {
  const folder = process.env['BENCH_PROFILE']
  if (folder === undefined) return []
  return [
    '--cpu-prof',
    `--cpu-prof-dir=${folder}`,
    `--cpu-prof-name=${name}-${Date.now()}.cpuprofile`,
  ]
}
