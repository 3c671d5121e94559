import { join } from 'node:path'
import { runScenario } from './harness.ts'
import type { ScenarioResult } from './harness.ts'
import { micros } from './micro/index.ts'
import { runMicro } from './micro.ts'
import type { MicroResult } from './micro.ts'
import {
  printEnvironment,
  printMicros,
  printRows,
  readEnvironment,
  writeResults,
} from './report.ts'
import { removeServers } from './redis-server.ts'
import { scenarios } from './scenario/index.ts'

/**
 * `npm run bench [-- filter …]`: everything, or the scenarios with a row that a filter names (`B1`) or whose title holds
 * it (`redis`); `micro` means the small pieces. Exits with 0 also when a goal is missed: figures are judged by people, on the machine that they know.
 */
const filters = process.argv.slice(2).map((filter) => filter.toLowerCase())
// Compiled to .cache/bench/bench.
const root = join(import.meta.dirname, '../../..')

const chosen = scenarios.filter(({ title, rows }) => wanted(title, ...rows.map((row) => row.id)))
const chosenMicros = micros.filter(({ title }) => wanted(title, 'micro'))
if (chosen.length === 0 && chosenMicros.length === 0) {
  console.error(`nothing matches ${filters.join(', ')}; there is:`)
  for (const { title, rows } of scenarios) {
    console.error(`  ${title} (${rows.map((row) => row.id).join(', ')})`)
  }
  for (const { title } of micros) console.error(`  ${title} (micro)`)
  process.exit(1)
}

const results: ScenarioResult[] = []
try {
  for (const scenario of chosen) {
    console.error(`${scenario.title} …`)
    results.push(await runScenario(scenario))
  }
} finally {
  await removeServers()
}
const microResults: MicroResult[] = []
for (const micro of chosenMicros) {
  console.error(`${micro.title} …`)
  microResults.push(...(await runMicro(micro)))
}
const environment = await readEnvironment(root, results)
printRows(results)
printMicros(microResults)
printEnvironment(environment)
console.log(await writeResults(root, { environment, results, micros: microResults }))

function wanted(title: string, ...ids: string[]): boolean {
  return (
    filters.length === 0 ||
    filters.some(
      (filter) =>
        title.toLowerCase().includes(filter) || ids.some((id) => id.toLowerCase() === filter),
    )
  )
}
