// One process that has the store and serves it: `hub.ts <folder> <REST port> <gRPC port>`, 0 = any free one.
// `datasync serve --upstream lmdb:<folder> --http :<port> --grpc :<port>` is the same without a program.
import { Agent, cached } from 'rx-datasync'
import { serveGrpc } from 'rx-datasync/grpc/server'
import { lmdb } from 'rx-datasync/lmdb'
import { serveRest } from 'rx-datasync/rest/server'

const [path = '', restPort, grpcPort] = process.argv.slice(2)

const agent = new Agent({ transport: cached(lmdb({ path })) })
await agent.start()
const rest = await serveRest(agent, { port: Number(restPort) })
const grpc = await serveGrpc(agent, { port: Number(grpcPort) })

process.send?.({ rest: rest.port, grpc: grpc.port })
process.once('disconnect', () => void close())

async function close(): Promise<void> {
  await rest.close()
  await grpc.close()
  await agent.close()
}
