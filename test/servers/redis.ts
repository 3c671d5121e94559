export { startRedis } from './redis-server.ts'
export type { RedisServer } from './redis-server.ts'
export type { RedisOptions } from './redis-options.ts'
