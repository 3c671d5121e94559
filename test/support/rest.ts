import { serveRest } from '../../src/adapters/rest/server/index.ts'
import type { RestServer, ServeRestOptions } from '../../src/adapters/rest/server/index.ts'
import { Agent, memory } from '../../src/index.ts'
import type { AgentOptions } from '../../src/index.ts'
import { onTeardown } from './teardown.ts'

/** An agent in this process, started, and its REST server on a free port; closed when the test file is over. */
export interface RestWorld {
  readonly agent: Agent
  readonly server: RestServer
  readonly url: string
  close(): Promise<void>
}

export async function serveAgent(
  options: ServeRestOptions = {},
  agentOptions: Partial<AgentOptions> = {},
  prepare: (agent: Agent) => void = () => {},
): Promise<RestWorld> {
  const agent = new Agent({ transport: memory(), ...agentOptions })
  prepare(agent)
  await agent.start()
  const server = await serveRest(agent, options)
  const close = async (): Promise<void> => {
    await server.close()
    await agent.close()
  }
  onTeardown(close)
  return { agent, server, url: server.url, close }
}
