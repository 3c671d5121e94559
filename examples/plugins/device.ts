import type { Interface, Route } from '../gen/network.ts'

/** What is being configured: a stand-in for a kernel, a switch, a data plane. */
export class Device {
  readonly interfaces: Map<string, Interface> = new Map()
  readonly routes: Map<string, Route> = new Map()

  setInterfaces(table: ReadonlyMap<string, Interface>): void {
    replace(this.interfaces, table)
  }

  /** @throws Error when a route leaves by an interface that does not exist; nothing is changed then */
  setRoutes(table: ReadonlyMap<string, Route>): void {
    for (const route of table.values()) this.#check(route)
    replace(this.routes, table)
  }

  /** @throws Error when it leaves by an interface that does not exist */
  setRoute(name: string, route: Route): void {
    this.#check(route)
    this.routes.set(name, route)
  }

  #check(route: Route): void {
    if (!this.interfaces.has(route.interface)) {
      throw new Error(`${route.destination}: there is no interface ${route.interface}`)
    }
  }
}

function replace<T>(target: Map<string, T>, table: ReadonlyMap<string, T>): void {
  target.clear()
  for (const [name, value] of table) target.set(name, value)
}
