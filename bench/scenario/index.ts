import type { Scenario } from '../scenario.ts'
import { scenario as dispatch } from './dispatch.ts'
import { scenario as lmdb } from './lmdb.ts'
import { scenario as redisChanges } from './redis-changes.ts'
import { scenario as redisList } from './redis-list.ts'

/** In the order of docs/performance.md. */
export const scenarios: readonly Scenario[] = [dispatch, lmdb, redisList, redisChanges]
