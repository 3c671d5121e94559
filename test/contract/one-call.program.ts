import { etcd } from '../../src/adapters/etcd/index.ts'
import { dataMsgClient, grpc } from '../../src/adapters/grpc/index.ts'
import { rest } from '../../src/adapters/rest/index.ts'
import { Agent, isSyncError } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'

/** Asks once, says what came of it, closes: no agent that is started holds the process meanwhile. */
const [kind, url = '', connectTimeoutMs = '5000'] = process.argv.slice(2)

function transport(): Transport {
  const connect = { url, connectTimeoutMs: Number(connectTimeoutMs) }
  if (kind === 'rest') return rest({ url })
  return kind === 'etcd' ? etcd(connect) : grpc(connect)
}

async function askService(): Promise<void> {
  await using client = dataMsgClient({ url })
  await client.ping()
}

async function askAgent(): Promise<void> {
  await using agent = new Agent({ transport: transport() })
  await agent.get('/one-call')
}

try {
  await (kind === 'dataMsgClient' ? askService() : askAgent())
  process.stdout.write('answered\n')
} catch (error) {
  process.stdout.write(`${isSyncError(error) ? error.code : String(error)}\n`)
}
