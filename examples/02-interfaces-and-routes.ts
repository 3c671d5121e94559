// Two plugins whose data refer to each other, on the embedded store; no server needed.
//   node --import tsx examples/02-interfaces-and-routes.ts
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, RefusedError } from 'rx-datasync'
import { lmdb } from 'rx-datasync/lmdb'
import { Interface, InterfaceType, Route } from './gen/network.ts'
import { Device } from './plugins/device.ts'
import { interfacesPlugin } from './plugins/interfaces-plugin.ts'
import { interfaces, routes } from './plugins/models.ts'
import { routesPlugin } from './plugins/routes-plugin.ts'

const path = await mkdtemp(join(tmpdir(), 'rx-datasync-example-'))

// Interfaces first: in every run of RESYNCs they are in place before the routes that refer to them.
const start = async (): Promise<Agent> => {
  const device = new Device()
  const plugins = [interfacesPlugin(device), routesPlugin(device)]
  const agent = new Agent({ transport: lmdb({ path }), plugins })
  await agent.start()
  return agent
}

const ethernet = (mtu: number): Interface =>
  new Interface({ type: InterfaceType.ETHERNET, enabled: true, mtu })
const route = (destination: string, by: string): Route =>
  new Route({ destination, nextHop: '10.0.0.254', interface: by })

console.log('-- an empty store')
let agent = await start()
const { version } = await agent.put(interfaces.key('eth0'), ethernet(1500))
await agent.put(interfaces.key('eth0'), ethernet(9000), { ifVersion: version })
// `applied`: resolves when every plugin that watches the key has said done.
await agent.put(routes.key('10.1.0.0/16'), route('10.1.0.0/16', 'eth0'), { waitFor: 'applied' })

console.log('-- a route by an interface that does not exist')
try {
  const dangling = route('10.2.0.0/16', 'eth1')
  await agent.put(routes.key('10.2.0.0/16'), dangling, { waitFor: 'applied' })
} catch (error) {
  if (!(error instanceof RefusedError)) throw error
  console.log(error.message) // the value stays stored
}

console.log('-- the interface comes; the repeated RESYNC can resolve the route')
// While a refused event waits for its repetition, changes queue: the RESYNC carries them, and its done answers for them.
await agent
  .txn()
  .put(interfaces.key('eth1'), ethernet(1500))
  .put(routes.key('10.3.0.0/16'), route('10.3.0.0/16', 'eth1'))
  .commit({ waitFor: 'applied' })

console.log('-- all or nothing')
await agent
  .txn()
  .put(routes.key('10.4.0.0/16'), route('10.4.0.0/16', 'eth1'))
  .delete(routes.key('10.1.0.0/16'))
  .commit({ waitFor: 'applied' })
await agent.close()

console.log('-- after a restart')
agent = await start()
await agent.close()
await rm(path, { recursive: true })
