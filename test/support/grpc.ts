import { grpc } from '../../src/adapters/grpc/index.ts'
import type { GrpcOptions } from '../../src/adapters/grpc/index.ts'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import type { GrpcServer, GrpcServerOptions } from '../../src/adapters/grpc/server/index.ts'
import { Agent, memory } from '../../src/index.ts'
import type { AgentOptions, Transport } from '../../src/index.ts'
import { onTeardown } from './teardown.ts'

/** An agent and its door, on a free port of this machine; both are closed when the test file is over. */
export interface ServedAgent {
  readonly agent: Agent
  readonly server: GrpcServer
  readonly url: string
  readonly client: (options?: GrpcOptions) => Transport
  readonly close: () => Promise<void>
}

/** `setUp` registers receivers before the agent starts. */
export async function serveAgent(
  options: Partial<AgentOptions> = {},
  serverOptions: GrpcServerOptions = {},
  setUp: (agent: Agent) => void = () => {},
): Promise<ServedAgent> {
  const agent = new Agent({ transport: memory(), ...options })
  setUp(agent)
  const server = await serveGrpc(agent, { port: 0, ...serverOptions })
  await agent.start()
  const scheme = serverOptions.tls === undefined ? 'grpc' : 'grpcs'
  const url = `${scheme}://127.0.0.1:${server.port}`
  const close = async (): Promise<void> => {
    await agent.close()
    await server.close()
  }
  onTeardown(close)
  return { agent, server, url, client: (given = {}) => grpc({ url, ...given }), close }
}
