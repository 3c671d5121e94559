// The same two plugins on Redis: another process writes, the plugins follow.
//   REDIS_URL=redis://127.0.0.1:6379 node --import tsx examples/03-interfaces-and-routes-on-redis.ts
import { from, lastValueFrom, toArray } from 'rxjs'
import { Agent, prefixed } from 'rx-datasync'
import type { Transport } from 'rx-datasync'
import { redis } from 'rx-datasync/redis'
import { Interface, InterfaceType, Route } from './gen/network.ts'
import { Device } from './plugins/device.ts'
import { interfacesPlugin } from './plugins/interfaces-plugin.ts'
import { interfaces, routes } from './plugins/models.ts'
import { routesPlugin } from './plugins/routes-plugin.ts'
import { until } from './plugins/until.ts'

const url = process.env['REDIS_URL']
if (url === undefined) {
  console.log('skipped: set REDIS_URL to a Redis server, such as redis://127.0.0.1:6379')
  process.exit(0)
}

// Keys of the server: /rx-datasync-example-<pid>/config/interfaces/eth0. The plugins do not see the first part.
const transport = (): Transport => prefixed(redis({ url }), `/rx-datasync-example-${process.pid}`)

// Stands for a controller somewhere else: it only writes.
const controller = new Agent({ transport: transport() })
const eth = (mtu: number): Interface => new Interface({ type: InterfaceType.ETHERNET, mtu })
const route = (destination: string, by: string): Route => new Route({ destination, interface: by })

console.log('-- publish before anybody watches')
const publications = [
  { key: interfaces.key('eth0'), message: eth(1500) },
  { key: routes.key('10.1.0.0/16'), message: route('10.1.0.0/16', 'eth0') },
]
const results = await lastValueFrom(controller.publish(from(publications)).pipe(toArray()))
console.log(`published ${results.filter((result) => result.ok).length}`)

const device = new Device()
const plugins = [interfacesPlugin(device), routesPlugin(device)]
const agent = new Agent({ transport: transport(), plugins })
const report = await agent.start()
console.log(`started: ${report.turns.map(({ name, outcome }) => `${name} ${outcome}`).join(', ')}`)

console.log('-- a change from the controller')
await controller.put(interfaces.key('eth0'), eth(9000))
await until('the change is here', () => device.interfaces.get('eth0')?.mtu === 9000)

console.log('-- a route by an interface that does not exist, then the interface')
await controller.put(routes.key('10.2.0.0/16'), route('10.2.0.0/16', 'eth1'))
const refusals = (): number => agent.health().registrations.reduce((n, r) => n + r.refusals, 0)
await until('the route is refused', () => refusals() > 0)
console.log(`health: ${agent.health().status}`)
await controller.put(interfaces.key('eth1'), eth(1500))
await until('the route is there', () => device.routes.has('10.2.0.0/16'))
await until('the agent is well', () => agent.health().status === 'ok')
console.log(`health: ${agent.health().status}`)

await controller.delete('/', { prefix: true })
await until('all is gone', () => device.routes.size === 0 && device.interfaces.size === 0)
await agent.close()
await controller.close()
