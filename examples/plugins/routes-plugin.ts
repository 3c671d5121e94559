import type { Plugin } from 'rx-datasync'
import type { Device } from './device.ts'
import { routes, tableOf } from './models.ts'

/** Keeps the device's routes as the data set says. A route refers to an interface: use it behind `interfacesPlugin`. */
export function routesPlugin(device: Device): Plugin {
  return {
    name: 'routes',
    init(context) {
      // What a handler throws refuses the event; a RESYNC of this registration follows after a back-off.
      context.watch('routes', routes).handle({
        resync: (event) => {
          device.setRoutes(tableOf(event, routes))
          const all = [...device.routes.values()].map((r) => `${r.destination} by ${r.interface}`)
          console.log(`RESYNC routes (${event.reason}): ${all.join(', ') || 'none'}`)
        },
        change: (event) => {
          const name = routes.nameOf(event.key) ?? event.key
          if (event.changeType === 'delete') device.routes.delete(name)
          else device.setRoute(name, event.getValue(routes))
          console.log(`CHANGE route ${name}: ${event.changeType}`)
        },
      })
    },
  }
}
