import { checkOptions, isBoolean, isString, isStrings, integerBetween } from '../api/options.ts'
import { InvalidOptionError } from '../api/errors.ts'
import type { Model } from '../api/model.ts'
import type { Grant } from '../serving/access.ts'

export interface DashboardOptions {
  /** Stands above the page; `datasync agent`. */
  readonly title?: string
  /** Decode values, and encode what is edited, of keys under their prefixes: those with a JSON codec. */
  readonly models?: readonly Model<unknown>[]
  /** Who may see and do what. Without it everybody on this machine may do everything, and nobody else anything. */
  readonly access?: readonly Grant[]
  /** What of the keys is shown and edited at all: those under these prefixes; all. */
  readonly prefixes?: readonly string[]
  /** Nobody edits keys or asks for a RESYNC here; false. */
  readonly readOnly?: boolean
  /**
   * Names under which browsers reach the page, as in `dashboard.example.org` (without the port). Requests with another
   * `Host` are refused. Without it: names of this machine when there is no `access`, else any.
   */
  readonly hosts?: readonly string[]
  /** Pages that are open at the same time; 32. */
  readonly maxWatchers?: number
  /** The largest request body in bytes; 1 MiB. */
  readonly maxBodyBytes?: number
}

export interface ResolvedDashboardOptions {
  readonly title: string
  readonly models: readonly Model<unknown>[]
  readonly access: readonly Grant[] | undefined
  readonly prefixes: readonly string[]
  readonly readOnly: boolean
  readonly hosts: readonly string[] | undefined
  readonly maxWatchers: number
  readonly maxBodyBytes: number
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function resolveDashboardOptions(options: DashboardOptions): ResolvedDashboardOptions {
  checkOptions<DashboardOptions>(options, {
    title: isString,
    models: isList,
    access: isList,
    prefixes: isStrings,
    readOnly: isBoolean,
    hosts: isStrings,
    maxWatchers: integerBetween(1, 10_000),
    maxBodyBytes: integerBetween(1_024, 256 * 1024 * 1024),
  })
  for (const [index, model] of (options.models ?? []).entries()) {
    if (typeof model?.prefix === 'string') continue
    throw new InvalidOptionError(`models[${index}]`, 'must be a model()')
  }
  return Object.freeze({
    title: options.title ?? 'datasync agent',
    models: [...(options.models ?? [])],
    access: options.access,
    prefixes: options.prefixes ?? [''],
    readOnly: options.readOnly ?? false,
    hosts: options.hosts?.map((host) => host.toLowerCase()),
    maxWatchers: options.maxWatchers ?? 32,
    maxBodyBytes: options.maxBodyBytes ?? 1024 * 1024,
  })
}

function isList(value: unknown): string | undefined {
  return Array.isArray(value) ? undefined : 'must be an array'
}
