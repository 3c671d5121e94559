import { checkOptions, integerBetween, isMs, isObject, oneOf } from '../api/options.ts'
import type { Checkpoint, WatchOptions } from '../api/watcher.ts'

/** Options as the registration uses them: checked, copied, complete. */
export interface ResolvedWatchOptions {
  readonly delivery: 'all' | 'latest'
  readonly onRefusal: 'resync' | 'retry' | 'continue'
  readonly maxRetries: number
  readonly changeTimeoutMs: number
  readonly resyncTimeoutMs: number
  readonly queueLimit: number
  readonly queueBytes: number
  readonly resume: Checkpoint | undefined
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function resolveWatchOptions(options: WatchOptions = {}): ResolvedWatchOptions {
  checkOptions<WatchOptions>(options, {
    delivery: oneOf('all', 'latest'),
    onRefusal: oneOf('resync', 'retry', 'continue'),
    maxRetries: integerBetween(0, 1_000_000),
    doneTimeoutMs: isObject,
    queueLimit: integerBetween(1, 100_000_000),
    queueBytes: integerBetween(1, Number.MAX_SAFE_INTEGER),
    resume: isObject,
  })
  const timeouts = options.doneTimeoutMs ?? {}
  checkOptions(timeouts, { change: isMs, resync: isMs }, 'doneTimeoutMs')
  return Object.freeze({
    delivery: options.delivery ?? 'all',
    onRefusal: options.onRefusal ?? 'resync',
    maxRetries: options.maxRetries ?? 3,
    changeTimeoutMs: timeouts.change ?? 2_000,
    resyncTimeoutMs: timeouts.resync ?? 10_000,
    queueLimit: options.queueLimit ?? 10_000,
    queueBytes: options.queueBytes ?? 64 * 1024 * 1024,
    resume: options.resume,
  })
}
