import type { Scenario } from '../scenario.ts'
import { scenario as cached } from './cached.ts'
import { scenario as dispatch } from './dispatch.ts'
import { scenario as etcdLatency } from './etcd-latency.ts'
import { scenario as etcdList } from './etcd-list.ts'
import { scenario as etcdLive } from './etcd-live.ts'
import { scenario as grpc } from './grpc.ts'
import { scenario as hubGrpc } from './hub-grpc.ts'
import { scenario as hubSse } from './hub-sse.ts'
import { scenario as kafka } from './kafka.ts'
import { scenario as kafkaLive } from './kafka-live.ts'
import { scenario as lmdb } from './lmdb.ts'
import { scenario as redisBurst } from './redis-burst.ts'
import { scenario as redisLatency } from './redis-latency.ts'
import { scenario as redisList } from './redis-list.ts'
import { scenario as restPut } from './rest-put.ts'

/** In the order of docs/performance.md. */
export const scenarios: readonly Scenario[] = [
  dispatch,
  lmdb,
  redisList,
  redisBurst,
  redisLatency,
  etcdLive,
  etcdList,
  etcdLatency,
  kafka,
  kafkaLive,
  cached,
  restPut,
  grpc,
  hubSse,
  hubGrpc,
]
