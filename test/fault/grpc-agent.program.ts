import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { Agent, memory } from '../../src/index.ts'

/**
 * An agent served on `port` (0 = any), on LMDB at `path` or in memory. A receiver of `/slow/` takes 20 ms for each change.
 * Says its port when it serves.
 */
const [port = '0', path = ''] = process.argv.slice(2)
const agent = new Agent({ transport: path === '' ? memory() : lmdb({ path }) })
agent.watch('slow', '/slow/').handle({
  change: () => new Promise((resolve) => void setTimeout(resolve, 20)),
})
const server = await serveGrpc(agent, { port: Number(port) })
await agent.start()
console.log(server.port)
