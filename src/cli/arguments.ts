import { InvalidArgumentError } from 'commander'

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

/**
 * A duration with its unit, such as `250ms`, `30s`, `1.5h`, in ms; `0` is none.
 * @throws InvalidArgumentError of commander
 */
export function parseDuration(text: string): number {
  const { number, unit } =
    /^(?<number>\d+(?:\.\d+)?)(?<unit>ms|s|m|h|d)?$/u.exec(text)?.groups ?? {}
  if (number === undefined || (unit === undefined && Number(number) !== 0)) {
    throw new InvalidArgumentError('Give a number with its unit: 250ms, 30s, 5m, 2h, 1d.')
  }
  return Number(number) * (UNIT_MS[unit ?? 'ms'] ?? 1)
}

/** As {@link parseDuration}, without 0. @throws InvalidArgumentError of commander */
export function parsePositiveDuration(text: string): number {
  const ms = parseDuration(text)
  if (ms < 1) throw new InvalidArgumentError('It must be at least 1ms.')
  return ms
}

/** For options that may be given several times. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

/**
 * `name=value` settings of a transport as an object: `true`, `false` and numbers are read as such, a dot leads into an
 * inner object: `options.db=2`.
 * @throws InvalidArgumentError of commander
 */
export function parseSetting(
  text: string,
  before: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  const equals = text.indexOf('=')
  if (equals < 1) throw new InvalidArgumentError('Give it as name=value.')
  return withSetting(before, text.slice(0, equals).split('.'), readSetting(text.slice(equals + 1)))
}

function withSetting(
  settings: Readonly<Record<string, unknown>>,
  [name = '', ...rest]: readonly string[],
  value: unknown,
): Readonly<Record<string, unknown>> {
  const inner = Object.hasOwn(settings, name) ? settings[name] : undefined
  const next = rest.length === 0 ? value : withSetting(isRecord(inner) ? inner : {}, rest, value)
  return { ...settings, [name]: next }
}

function readSetting(text: string): unknown {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d+(?:\.\d+)?$/u.test(text) ? Number(text) : text
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
