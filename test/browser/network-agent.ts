import { setTimeout } from 'node:timers/promises'
import { Agent, codec, memory, model } from '../../src/index.ts'
import type { AgentOptions, Codec, Model, Plugin } from '../../src/index.ts'

/** What the plugins of the agent below hold; the tests write them, people look at them. */
export interface Settings {
  readonly [name: string]: unknown
}

export const settings: Codec<Settings> = codec({
  encode: (value: Settings) => new TextEncoder().encode(JSON.stringify(value)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Settings,
})

const json = {
  toJson: (value: Settings): unknown => value,
  fromJson: (value: unknown): Settings => {
    if (typeof value === 'object' && value !== null) return value as Settings
    throw new Error('it must be an object')
  },
}

export const interfaces: Model<Settings> = model('/config/interfaces/', settings, { json })
export const routes: Model<Settings> = model('/config/routes/', settings, { json })
export const models: readonly Model<unknown>[] = [interfaces, routes]

/**
 * An agent with three plugins, one depending on the other; each refuses what cannot be. `workMs`: how long they take for
 * a RESYNC.
 */
export function networkAgent(options: Partial<AgentOptions> = {}, workMs = 0): Agent {
  const agent = new Agent({ transport: memory(), ...options })
    .use(plugin('interfaces', interfaces, ({ mtu }) => checkMtu(mtu), workMs))
    .use(plugin('routes', routes, () => {}, workMs * 2))
    .use({ name: 'announcer', init: (context) => void context.register('announcer').handle({}) })
  agent.watch('audit', '/config/').handle({ resync: () => {}, change: () => {} })
  return agent
}

function plugin(
  name: string,
  own: Model<Settings>,
  check: (value: Settings) => void,
  workMs: number,
): Plugin {
  return {
    name,
    init: (context) => {
      context.watch(name, own).handle({
        resync: async ({ values }) => {
          if (workMs > 0) await setTimeout(workMs)
          for (const pair of values.get(own.prefix) ?? []) check(pair.getValue(own))
        },
        change: (event) => {
          if (event.changeType === 'put') check(event.getValue(own))
        },
      })
    },
  }
}

function checkMtu(mtu: unknown): void {
  if (typeof mtu === 'number' && mtu < 68) throw new Error(`mtu ${mtu} is too small, at least 68`)
}
