// Four processes: a hub that has the store, two agents that reach it over REST, one over gRPC. The hub is killed on the way.
//   node --import tsx examples/06-a-hub-and-three-agents.ts
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from './processes/child.ts'

interface Ports {
  readonly rest: number
  readonly grpc: number
}

const folder = await mkdtemp(join(tmpdir(), 'rx-datasync-example-'))

async function startHub(ports: Ports): Promise<{ hub: Child; ports: Ports }> {
  const hub = new Child('hub', [folder, String(ports.rest), String(ports.grpc)])
  return { hub, ports: (await hub.next()) as Ports }
}

console.log('-- a hub, which has the store, and three agents, which have none')
const first = await startHub({ rest: 0, grpc: 0 })
const { rest, grpc } = first.ports
const agents = [
  new Child('agent', [`http://127.0.0.1:${rest}`]),
  new Child('agent', [`http://127.0.0.1:${rest}`]),
  new Child('agent', [`grpc://127.0.0.1:${grpc}`]),
]

/** What each of the three says next. */
async function all(): Promise<void> {
  for (const [i, agent] of agents.entries())
    console.log(`agent ${i + 1}: ${String(await agent.next())}`)
}
await all()

console.log('-- what one writes comes to all')
agents[0]?.send({ name: 'eth0', mtu: 1500 })
await all()
agents[2]?.send({ name: 'eth0', mtu: 9000 })
await all()

console.log('-- the hub is killed and started again: everybody is in step again by itself')
await first.hub.kill()
const second = await startHub(first.ports)
await all()
agents[1]?.send({ name: 'lo', mtu: 65_536 })
await all()

for (const child of [...agents, second.hub]) await child.end()
await rm(folder, { recursive: true })
