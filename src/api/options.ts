import { InvalidOptionError } from './errors.ts'

/** How one option is checked: the problem as a sentence, or undefined. */
export type OptionCheck = (value: unknown) => string | undefined

export function numberBetween(min: number, max: number): OptionCheck {
  return (value) =>
    typeof value === 'number' && value >= min && value <= max
      ? undefined
      : `must be a number from ${min} to ${max}`
}

export function integerBetween(min: number, max: number): OptionCheck {
  return (value) =>
    Number.isInteger(value) && (value as number) >= min && (value as number) <= max
      ? undefined
      : `must be an integer from ${min} to ${max}`
}

export function oneOf(...values: readonly unknown[]): OptionCheck {
  return (value) =>
    values.includes(value)
      ? undefined
      : `must be one of ${values.map((known) => JSON.stringify(known)).join(', ')}`
}

export const isBoolean: OptionCheck = oneOf(true, false)

export const isString: OptionCheck = (value) =>
  typeof value === 'string' ? undefined : 'must be a string'

export const isStrings: OptionCheck = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string')
    ? undefined
    : 'must be an array of strings'

export const isObject: OptionCheck = (value) =>
  (typeof value === 'object' && value !== null) || typeof value === 'function'
    ? undefined
    : 'must be an object'

export const isFunction: OptionCheck = (value) =>
  typeof value === 'function' ? undefined : 'must be a function'

/** What has these methods. */
export function hasMethods(...names: readonly string[]): OptionCheck {
  return (value) => {
    const missing = names.find(
      (name) => typeof (value as Record<string, unknown> | null)?.[name] !== 'function',
    )
    return missing === undefined ? undefined : `must be an object with ${names.join('(), ')}()`
  }
}

export const isTransport: OptionCheck = (value) =>
  hasMethods('stream')(value) === undefined
    ? undefined
    : 'must be a transport, such as memory() or lmdb({ path })'

/** Longest time that options take: 100 years, in ms. */
export const MAX_MS: number = 100 * 365 * 24 * 3600 * 1000

/** A time in ms; 0 is allowed. */
export const isMs: OptionCheck = numberBetween(0, MAX_MS)

/**
 * Checks options once at the door: unknown names, wrong types and ranges are errors; `undefined` counts as absent.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) naming the option
 */
export function checkOptions<T extends object>(
  options: T,
  checks: { readonly [K in keyof Required<T>]: OptionCheck },
  where = '',
): void {
  if (typeof options !== 'object' || options === null) {
    throw new InvalidOptionError(where === '' ? 'options' : where, 'must be an object')
  }
  for (const [name, value] of Object.entries(options)) {
    const check = Object.hasOwn(checks, name) ? checks[name as keyof T] : undefined
    const path = where === '' ? name : `${where}.${name}`
    if (check === undefined) {
      throw new InvalidOptionError(path, `is unknown; known: ${Object.keys(checks).join(', ')}`)
    }
    if (value === undefined) continue
    const problem = check(value)
    if (problem !== undefined) throw new InvalidOptionError(path, problem)
  }
}
