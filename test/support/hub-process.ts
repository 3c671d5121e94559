import { startCli } from './cli.ts'
import type { Cli } from './cli.ts'
import { freePort } from './free-port.ts'

export interface HubProcessOptions {
  /** `memory:` */
  readonly upstream?: string
  /** Further arguments of `datasync serve`. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** `datasync serve` in a process of its own, on ports that it keeps over restarts; killed when the test file is over. */
export class HubProcess {
  readonly httpPort: number
  readonly grpcPort: number
  readonly #options: HubProcessOptions
  #cli: Cli | undefined

  private constructor(httpPort: number, grpcPort: number, options: HubProcessOptions) {
    this.httpPort = httpPort
    this.grpcPort = grpcPort
    this.#options = options
  }

  static async start(options: HubProcessOptions = {}): Promise<HubProcess> {
    const hub = new HubProcess(await freePort(), await freePort(), options)
    await hub.start()
    return hub
  }

  get http(): string {
    return `http://127.0.0.1:${this.httpPort}`
  }

  get grpc(): string {
    return `grpc://127.0.0.1:${this.grpcPort}`
  }

  get cli(): Cli {
    if (this.#cli === undefined) throw new Error('the hub is not running')
    return this.#cli
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const { upstream = 'memory:', args = [], env = {} } = this.#options
    const ports = ['--http', `:${this.httpPort}`, '--grpc', `:${this.grpcPort}`]
    const cli = startCli(['serve', '--upstream', upstream, ...ports, '--json', ...args], env)
    await cli.record(({ event }) => event === 'serving')
    this.#cli = cli
  }

  /** Without a warning. */
  async kill(): Promise<void> {
    await this.cli.kill('SIGKILL')
    this.#cli = undefined
  }
}
