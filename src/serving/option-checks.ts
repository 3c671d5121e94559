import { InvalidOptionError } from '../api/errors.ts'
import type { OptionCheck } from '../api/options.ts'
import { hasMethods } from '../api/options.ts'
import type { Servable } from '../api/served.ts'

/** What is served is an agent, not its transport. @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function assertServable(agent: Servable): void {
  if (hasMethods('served')(agent) === undefined) return
  throw new InvalidOptionError('agent', 'must be an agent, such as new Agent({ transport })')
}

/** Each grant is checked where it is read. */
export const isGrants: OptionCheck = (value) =>
  Array.isArray(value) ? undefined : 'must be an array of grants'

export const isModels: OptionCheck = (value) =>
  Array.isArray(value) && value.every((item) => hasMethods('owns', 'key')(item) === undefined)
    ? undefined
    : 'must be an array of models, such as model(prefix, type)'
