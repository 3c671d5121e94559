import { checkOptions, isBoolean, isString, isStrings, integerBetween } from '../api/options.ts'
import type { OptionCheck } from '../api/options.ts'
import type { Model } from '../api/model.ts'
import type { Grant } from '../serving/access.ts'
import { isGrants, isModels } from '../serving/option-checks.ts'

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

/** Options of {@link serveDashboard}. */
export interface ServeDashboardOptions extends DashboardOptions {
  /** 127.0.0.1. Another than a loopback address needs `access`. */
  readonly host?: string
  /** 0 (default) = a free one. */
  readonly port?: number
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

const CHECKS = {
  title: isString,
  models: isModels,
  access: isGrants,
  prefixes: isStrings,
  readOnly: isBoolean,
  hosts: isStrings,
  maxWatchers: integerBetween(1, 10_000),
  maxBodyBytes: integerBetween(1_024, 256 * 1024 * 1024),
} satisfies Record<keyof Required<DashboardOptions>, OptionCheck>

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function resolveServeOptions(
  options: ServeDashboardOptions,
): ResolvedDashboardOptions & { readonly host: string; readonly port: number } {
  checkOptions<ServeDashboardOptions>(options, {
    ...CHECKS,
    host: isString,
    port: integerBetween(0, 65_535),
  })
  const { host = '127.0.0.1', port = 0, ...others } = options
  return { ...resolveDashboardOptions(others), host, port }
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function resolveDashboardOptions(options: DashboardOptions): ResolvedDashboardOptions {
  checkOptions<DashboardOptions>(options, CHECKS)
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
