import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerWritableStream } from '@grpc/grpc-js'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { watchEvent, WATCH_PATH, watchRequest } from '../../src/adapters/grpc/watch-schema.ts'
import type { WatchEvent, WatchRequest } from '../../src/adapters/grpc/watch-schema.ts'
import { Agent, cached, memory, raw } from '../../src/index.ts'
import type { Message } from '../../src/index.ts'
import type { Scenario, Side } from '../scenario.ts'
import { watched, watcherRows, WATCHERS } from '../watchers.ts'
import { makeValues } from '../workload.ts'

const KEY = '/config/one'

/**
 * The same over gRPC, 1 000 streams on ten connections. Bare: a server-streaming handler of the driver that keeps the calls
 * in a Set and writes each change, encoded once, to all.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'hub: 1 000 watchers, gRPC',
  rows: watcherRows('B15g', 'bare grpc-js broadcast'),
  sides: { ours, 'bare grpc-js broadcast': bare },
}

async function ours(): Promise<Side> {
  const agent = new Agent({ transport: cached(memory()) })
  await agent.start()
  const server = await serveGrpc(agent, {
    port: 0,
    // Watchers count messages without a look into them.
    heartbeatMs: 3_600_000,
    limits: { maxWatchersPerClient: 2 * WATCHERS, requestsPerSecond: 0 },
  })
  const messages = makeValues(64).map(raw)
  return watched(
    client(server.port),
    (i) => agent.put(KEY, messages[i % 64] as Message),
    async () => {
      await server.close()
      await agent.close()
    },
  )
}

async function bare(): Promise<Side> {
  const calls = new Set<ServerWritableStream<WatchRequest, Buffer>>()
  const server = new Server()
  server.addService(
    {
      watch: {
        path: WATCH_PATH,
        requestStream: false,
        responseStream: true,
        requestSerialize: watchRequest.encode,
        requestDeserialize: watchRequest.decode,
        responseSerialize: (bytes: Buffer) => bytes,
        responseDeserialize: (bytes: Buffer) => bytes,
      },
    },
    {
      watch: (call: ServerWritableStream<WatchRequest, Buffer>) => {
        calls.add(call)
        call.on('cancelled', () => calls.delete(call))
        call.write(encoded({ listed: { position: '0' } }))
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  const values = makeValues(64)
  let id = 0
  return watched(
    client(port),
    async (i) => {
      const put = {
        key: KEY,
        value: values[i % 64] as Uint8Array,
        revision: ++id,
        version: `${id}`,
      }
      const bytes = encoded({ changes: { changes: [{ put }], position: `${id}`, more: false } })
      for (const call of calls) call.write(bytes)
    },
    async () => server.forceShutdown(),
  )
}

function encoded(event: WatchEvent): Buffer {
  return Buffer.from(watchEvent.encode(event))
}

function client(port: number): { program: string; args: string[] } {
  return { program: 'grpc-watchers.js', args: [String(port), String(WATCHERS)] }
}
