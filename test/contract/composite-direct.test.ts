import { etcd } from '../../src/adapters/etcd/index.ts'
import { grpc } from '../../src/adapters/grpc/index.ts'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { redis } from '../../src/adapters/redis/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, cached, composite, memory } from '../../src/index.ts'
import { describeWithEtcdUrl } from '../servers/describe-with-etcd.ts'
import { describeWithRedisUrl } from '../servers/describe-with-redis.ts'
import { contract, uniquePrefix } from '../support/contract.ts'

/** A served agent without receivers, for one test. */
async function served(): Promise<{ http: string; grpc: string; close: () => Promise<void> }> {
  const agent = new Agent({ transport: cached(memory()) })
  await agent.start()
  const overHttp = await serveRest(agent)
  const overGrpc = await serveGrpc(agent, { port: 0 })
  return {
    http: overHttp.url,
    grpc: overGrpc.url,
    close: async () => {
      await overHttp.close()
      await overGrpc.close()
      await agent.close()
    },
  }
}

describeWithRedisUrl('composite of REST and Redis', (url) => {
  contract("composite of REST and Redis, write: 'first'", async () => {
    const { http, close } = await served()
    return {
      prefix: uniquePrefix(),
      receivers: false,
      transport: () => composite([rest({ url: http }), redis({ url: url() })], { write: 'first' }),
      dispose: close,
    }
  })
})

describeWithEtcdUrl('composite of etcd and gRPC', (url) => {
  contract("composite of etcd and gRPC, write: 'first'", async () => {
    const { grpc: direct, close } = await served()
    return {
      prefix: uniquePrefix(),
      // With both written each part tells of a value by itself, and which comes first is chance.
      transport: () => composite([etcd({ url: url() }), grpc({ url: direct })], { write: 'first' }),
      dispose: close,
    }
  })
})
