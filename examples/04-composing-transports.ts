// Defaults in memory, overrides on disk, one data set: the first part that holds a key wins.
//   node --import tsx examples/04-composing-transports.ts
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, composite, memory, prefixed } from 'rx-datasync'
import { lmdb } from 'rx-datasync/lmdb'
import { Interface } from './gen/network.ts'
import { Device } from './plugins/device.ts'
import { interfacesPlugin } from './plugins/interfaces-plugin.ts'
import { interfaces } from './plugins/models.ts'
import { until } from './plugins/until.ts'

const path = await mkdtemp(join(tmpdir(), 'rx-datasync-example-'))
const mtu = (value: number): Interface => new Interface({ enabled: true, mtu: value })
const device = new Device()

const defaults = memory({ name: 'defaults' })
// The disk is shared with others: this agent's keys are under /agents/a1, as the microservice label had it.
const overrides = prefixed(lmdb({ path, name: 'overrides' }), '/agents/a1')

const agent = new Agent({
  transport: composite([overrides, defaults], { write: 'first' }),
  plugins: [interfacesPlugin(device)],
})

// Written into the second part, past the composite, by somebody else.
const seeder = new Agent({ transport: defaults })
await seeder.put(interfaces.key('eth0'), mtu(1500))
await seeder.put(interfaces.key('lo'), mtu(65_536))

console.log('-- the union of both')
await agent.start()

console.log('-- the first part wins')
await agent.put(interfaces.key('eth0'), mtu(9000))
await until('the override is here', () => device.interfaces.get('eth0')?.mtu === 9000)

console.log('-- and when it lets go, the other shows again')
await agent.delete(interfaces.key('eth0'))
await until('the default is back', () => device.interfaces.get('eth0')?.mtu === 1500)

await agent.close()
await seeder.close()
await rm(path, { recursive: true })
