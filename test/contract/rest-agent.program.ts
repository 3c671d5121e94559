import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { serveRest } from '../../src/adapters/rest/server/index.ts'
import { Agent, memory } from '../../src/index.ts'

/** An agent that is served by REST until it is killed; tells its URL. Arguments: a port, a folder of LMDB. */
const [port = '0', path] = process.argv.slice(2)

const transport = path === undefined ? memory() : lmdb({ path })
const agent = new Agent({ transport })
await agent.start()
const server = await serveRest(agent, { port: Number(port) })
process.stdout.write(`${server.url}\n`)
