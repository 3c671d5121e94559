import type { OptionCheck } from '../api/options.ts'
import { hasMethods } from '../api/options.ts'

/** Each grant is checked where it is read. */
export const isGrants: OptionCheck = (value) =>
  Array.isArray(value) ? undefined : 'must be an array of grants'

export const isModels: OptionCheck = (value) =>
  Array.isArray(value) && value.every((item) => hasMethods('owns', 'key')(item) === undefined)
    ? undefined
    : 'must be an array of models, such as model(prefix, type)'
