import { caseAdder } from './contract-case.ts'
import type { ContractOptions } from './contract-fixture.ts'
import { acknowledgementCases } from './contract/acknowledgement.ts'
import { appliedCases } from './contract/applied.ts'
import { boundedCases } from './contract/bounded.ts'
import { changeCases } from './contract/changes.ts'
import { checkpointCases } from './contract/checkpoints.ts'
import { lifecycleCases } from './contract/lifecycle.ts'
import { orchestratorCases } from './contract/orchestrator.ts'
import { prefixCases } from './contract/prefixes.ts'
import { startCases } from './contract/start.ts'
import { writeCases } from './contract/writes.ts'
import type { ContractTools } from './runner.ts'

/**
 * Adds the tests that every transport passes: the acceptance cases of datasync.md §9 and the W rules that need no
 * server. What a transport does not claim in its capabilities has to be refused, or is left out.
 *
 * ```ts
 * contractSuite({ describe, it, Agent }, { name: 'my transport', createFixture })
 * ```
 *
 * A test takes up to a few seconds; set the runner's limit to a minute.
 */
export function contractSuite(tools: ContractTools, options: ContractOptions): void {
  const add = caseAdder(tools, options)
  const subjects = [
    ['start and RESYNC', startCases],
    ['changes', changeCases],
    ['acknowledgement and refusal', acknowledgementCases],
    ['bounded memory', boundedCases],
    ['prefixes and keys', prefixCases],
    ['writes', writeCases],
    ['applied', appliedCases],
    ['order of RESYNCs', orchestratorCases],
    ['life cycle', lifecycleCases],
    ['checkpoints', checkpointCases],
  ] as const
  tools.describe(`${options.name}: the contract of every transport`, () => {
    for (const [subject, cases] of subjects) tools.describe(subject, () => cases(add))
  })
}
