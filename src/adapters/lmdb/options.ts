import { InvalidOptionError } from '../../api/errors.ts'
import { checkOptions, integerBetween, isBoolean, isString } from '../../api/options.ts'
import type { OptionCheck } from '../../api/options.ts'

export interface LmdbOptions {
  /** The store's folder, as given; made, with its parents, when it is missing. */
  readonly path: string
  /** In events, metrics and errors; `lmdb`. */
  readonly name?: string
  /** Lists and reads a store that another process may hold; no watch, no write; false. */
  readonly readOnly?: boolean
  /** The largest value in bytes; 8 MiB. */
  readonly maxValueBytes?: number
  /** Address space reserved at the start, in bytes; it grows by itself; 128 KiB. */
  readonly mapSize?: number
  /** Changes kept in memory so that a recent position can go on without RESYNC; 1 000. */
  readonly historyLimit?: number
}

/** The options with their defaults. */
export type LmdbSettings = Required<Omit<LmdbOptions, 'mapSize'>> & Pick<LmdbOptions, 'mapSize'>

const MIB = 1024 * 1024

const isPath: OptionCheck = (value) => {
  if (typeof value !== 'string' || value === '') return 'must name a folder'
  return value.includes('\0') ? 'must not hold a NUL character' : undefined
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) naming the option */
export function settingsOf(options: LmdbOptions): LmdbSettings {
  checkOptions<LmdbOptions>(options, {
    path: isPath,
    name: isString,
    readOnly: isBoolean,
    maxValueBytes: integerBetween(0, 1024 * MIB),
    mapSize: integerBetween(64 * 1024, 2 ** 46),
    historyLimit: integerBetween(0, 1_000_000),
  })
  const missing = isPath(options.path)
  if (missing !== undefined) throw new InvalidOptionError('path', missing)
  return Object.freeze({
    path: options.path,
    name: options.name ?? 'lmdb',
    readOnly: options.readOnly ?? false,
    maxValueBytes: options.maxValueBytes ?? 8 * MIB,
    historyLimit: options.historyLimit ?? 1_000,
    ...(options.mapSize === undefined ? {} : { mapSize: options.mapSize }),
  })
}
