import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { Agent, memory, raw } from '../../src/index.ts'

/** An agent whose guests, with the token, may read and write under `/open/`, and an auditor may
 * read everything. What it logs as a warning or an error stands on stderr. */
const [guest = '', auditor = ''] = process.argv.slice(2)
const agent = new Agent({
  transport: memory(),
  logger: {
    debug: () => {},
    info: () => {},
    warn: (fields, message) => console.error(message, fields),
    error: (fields, message) => console.error(message, fields),
  },
})
const server = await serveGrpc(agent, {
  port: 0,
  access: [
    { name: 'guest', token: guest, read: ['/open/'], write: ['/open/'] },
    { name: 'auditor', token: auditor, read: [''] },
  ],
  appliedTimeoutMs: 1_000,
})
await agent.start()
await agent.put('/closed/secret', raw(Buffer.from('untouched')))
console.log(server.port)
