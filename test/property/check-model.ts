import fc from 'fast-check'
import { replayable } from './replay.ts'
import { play } from './watch-model.ts'
import type { World } from './watch-model.ts'
import { scenarios } from './watch-scenario.ts'
import type { Scenario, ScenarioOptions } from './watch-scenario.ts'

type MakeWorld = () => World | Promise<World>

/** Plays so many random scenarios, each in a world of its own. @throws Error of the shortest that fails */
export async function checkModel(
  options: ScenarioOptions,
  makeWorld: MakeWorld,
  defaultRuns: number,
): Promise<void> {
  await fc.assert(scenariosIn(options, makeWorld), replayable(defaultRuns))
}

/** The same where time is real: a failure does not shrink, its path plays it again. */
export async function checkModelInRealTime(
  options: ScenarioOptions,
  makeWorld: MakeWorld,
): Promise<void> {
  await fc.assert(scenariosIn(options, makeWorld), { ...replayable(100), endOnFailure: true })
}

function scenariosIn(
  options: ScenarioOptions,
  makeWorld: MakeWorld,
): fc.IAsyncProperty<[Scenario]> {
  return fc.asyncProperty(scenarios(options), async (scenario) => {
    await play(scenario, await makeWorld())
  })
}
