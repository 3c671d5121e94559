import { readOptions } from './options.ts'
import type { RedisOptions } from './options.ts'
import { DefaultRedisTransport } from './redis-transport.ts'
import type { RedisTransport } from './redis-transport.ts'

export type { RedisConnectionOptions, RedisOptions } from './options.ts'
export type { RedisTransport, SkippedKeys } from './redis-transport.ts'

/**
 * A transport over a Redis server or cluster (6.2 or later): keys are Redis' keys, values its strings; other types are
 * left alone. Nothing is contacted before `open`.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for an unknown option, a value out of range or a bad URL
 */
export function redis(options: RedisOptions = {}): RedisTransport {
  return new DefaultRedisTransport(readOptions(options))
}
