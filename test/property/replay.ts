/**
 * How a property is run: `DATASYNC_PBT_RUNS` times; a failure prints seed and path, which `DATASYNC_PBT_SEED` and
 * `DATASYNC_PBT_PATH` take to play exactly that case.
 */
export function replayable(defaultRuns: number): {
  numRuns: number
  seed?: number
  path?: string
  endOnFailure?: boolean
} {
  const { DATASYNC_PBT_RUNS: runs, DATASYNC_PBT_SEED: seed, DATASYNC_PBT_PATH: path } = process.env
  return {
    numRuns: runs === undefined ? defaultRuns : Number(runs),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path, endOnFailure: true }),
  }
}
