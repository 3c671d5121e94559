import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Table from 'cli-table3'
import type { RowResult, ScenarioResult } from './harness.ts'
import type { MicroResult } from './micro.ts'
import type { Goal } from './scenario.ts'

/** A figure without its machine, versions and commit is worth nothing. */
export interface Environment {
  readonly date: string
  readonly commit: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGb: number
  readonly system: string
  readonly node: string
  /** Drivers and servers. */
  readonly versions: readonly string[]
}

export interface Report {
  readonly environment: Environment
  readonly results: readonly ScenarioResult[]
  readonly micros: readonly MicroResult[]
}

const DRIVERS = ['rxjs', 'lmdb', 'ioredis', 'google-protobuf']

/** What the figures were taken on. `root` is the repository. */
export async function readEnvironment(
  root: string,
  results: readonly ScenarioResult[],
): Promise<Environment> {
  const drivers = await Promise.all(DRIVERS.map((name) => driverVersion(root, name)))
  return {
    date: new Date().toISOString(),
    commit: await commitOf(root),
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    versions: [...new Set([...drivers, ...results.flatMap((result) => result.versions)])],
  }
}

export function printEnvironment(environment: Environment): void {
  const { cpu, cores, memoryGb, system, node, versions, commit, date } = environment
  console.log(`${cpu}, ${cores} cores, ${memoryGb} GB, ${system}`)
  console.log(`Node ${node}, ${versions.join(', ')}`)
  console.log(`commit ${commit}, ${date}`)
}

/** One line per row: ours, beside, the ratio of the medians with its spread, the goal, whether it is reached. */
export function printRows(results: readonly ScenarioResult[]): void {
  if (results.length === 0) return
  const table = new Table({
    head: ['row', 'work', 'ours', 'beside', '', 'ratio', 'spread', 'goal', ''],
    style: { head: [], border: [] },
    chars: PLAIN,
    colAligns: ['left', 'left', 'right', 'right', 'left', 'right', 'left', 'left', 'left'],
  })
  for (const result of results) for (const row of result.rows) table.push(cells(row))
  console.log(table.toString())
}

export function printMicros(results: readonly MicroResult[]): void {
  if (results.length === 0) return
  const table = new Table({
    head: ['piece', 'case', 'per second', 'p50 µs', 'p99 µs'],
    style: { head: [], border: [] },
    chars: PLAIN,
    colAligns: ['left', 'left', 'right', 'right', 'right'],
  })
  for (const { title, task, perSecond, p50Us, p99Us } of results) {
    table.push([title, task, figure(perSecond), figure(p50Us), figure(p99Us)])
  }
  console.log(table.toString())
}

function cells({ row, ours, beside, ratio, spread, ok }: RowResult): string[] {
  return [
    row.id,
    `${row.work} — beside: ${row.beside}`,
    figure(ours),
    figure(beside),
    row.unit,
    figure(ratio),
    `${figure(spread[0])}–${figure(spread[1])}`,
    row.goal === undefined ? '' : goalText(row.goal),
    ok === undefined ? '' : ok ? 'ok' : 'not',
  ]
}

export function goalText(goal: Goal): string {
  return 'atLeast' in goal ? `>= ${goal.atLeast}` : `<= ${goal.atMost}`
}

/** Three significant digits, thousands apart. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return '–'
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toFixed(digits).replace(/\B(?=(?:\d{3})+(?!\d))/gu, ' ')
}

/** Everything that was measured, as `bench/results/<date>.json`; returns its path. */
export async function writeResults(root: string, report: Report): Promise<string> {
  const folder = join(root, 'bench/results')
  await mkdir(folder, { recursive: true })
  const path = join(folder, `${report.environment.date.replaceAll(/[:.]/gu, '-')}.json`)
  await writeFile(path, `${JSON.stringify(report, undefined, 2)}\n`)
  return path
}

async function driverVersion(root: string, name: string): Promise<string> {
  const text = await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')
  return `${name} ${(JSON.parse(text) as { version: string }).version}`
}

async function commitOf(root: string): Promise<string> {
  const git = async (...args: string[]): Promise<string> =>
    (await promisify(execFile)('git', args, { cwd: root })).stdout.trim()
  try {
    const changed = await git('status', '--porcelain', '--untracked-files=no', 'src')
    return `${await git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : ' with changes in src'}`
  } catch (error) {
    return `unknown (${error instanceof Error ? error.message.split('\n')[0] : String(error)})`
  }
}

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' ',
}
