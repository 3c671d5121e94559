import { Bench } from 'tinybench'

/** Small pieces of the hot paths, alone; for comparing before and after a change, with no goal. */
export interface Micro {
  readonly title: string
  /** Operations in one call of a task, where one alone is too short for the timer; 1. */
  readonly operations?: number
  /** Each makes what it works on and returns the work. */
  readonly tasks: Readonly<Record<string, () => () => void>>
}

export interface MicroResult {
  readonly title: string
  readonly task: string
  readonly perSecond: number
  /** Of one operation. */
  readonly p50Us: number
  readonly p99Us: number
}

export async function runMicro({ title, operations = 1, tasks }: Micro): Promise<MicroResult[]> {
  const bench = new Bench({ time: 500, warmupTime: 200 })
  for (const [name, make] of Object.entries(tasks)) bench.add(name, make())
  const done = await bench.run()
  return done.map((task): MicroResult => {
    const { result } = task
    if (!('throughput' in result)) throw new Error(`${title}, ${task.name}: ${result.state}`)
    return {
      title,
      task: task.name,
      perSecond: result.throughput.mean * operations,
      p50Us: (result.latency.p50 * 1_000) / operations,
      p99Us: (result.latency.p99 * 1_000) / operations,
    }
  })
}
