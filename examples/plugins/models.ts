import { model } from 'rx-datasync'
import type { Model, ResyncEvent } from 'rx-datasync'
import { Interface, Route } from '../gen/network.ts'

/** `/config/interfaces/eth0` */
export const interfaces: Model<Interface> = model('/config/interfaces/', Interface, {
  json: {
    toJson: (value) => value.toObject(),
    fromJson: (json) => Interface.fromObject(json as object),
  },
})

/** `/config/routes/10.1.0.0/16`: the name is the destination, slashes and all. */
export const routes: Model<Route> = model('/config/routes/', Route, {
  json: {
    toJson: (value) => value.toObject(),
    fromJson: (json) => Route.fromObject(json as object),
  },
})

/** What a RESYNC holds of a model, by name. */
export function tableOf<T>(event: ResyncEvent, of: Model<T>): Map<string, T> {
  const table = new Map<string, T>()
  for (const pair of event.values.get(of.prefix) ?? []) {
    table.set(of.nameOf(pair.key) ?? pair.key, pair.getValue(of))
  }
  return table
}
