import type { Plugin } from 'rx-datasync'
import type { Device } from './device.ts'
import { interfaces, tableOf } from './models.ts'

/** Keeps the device's interfaces as the data set says. */
export function interfacesPlugin(device: Device): Plugin {
  return {
    name: 'interfaces',
    init(context) {
      context.watch('interfaces', interfaces).handle({
        resync: (event) => {
          device.setInterfaces(tableOf(event, interfaces))
          console.log(`RESYNC interfaces (${event.reason}): ${list(device.interfaces)}`)
        },
        change: (event) => {
          const name = interfaces.nameOf(event.key) ?? event.key
          if (event.changeType === 'delete') device.interfaces.delete(name)
          else device.interfaces.set(name, event.getValue(interfaces))
          const before = event.getPrevValue(interfaces)
          const after = device.interfaces.get(name)
          console.log(`CHANGE interface ${name}: ${mtu(before?.mtu)} -> ${mtu(after?.mtu)}`)
        },
      })
    },
  }
}

function list(table: ReadonlyMap<string, unknown>): string {
  return [...table.keys()].join(', ') || 'none'
}

function mtu(value: number | undefined): string {
  return value === undefined ? 'none' : `mtu ${value}`
}
