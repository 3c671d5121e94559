import { spawn } from 'node:child_process'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from '../support/free-port.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'
import { kafkaConfig, scramArguments } from './kafka-config.ts'
import type { KafkaNode, KafkaOptions } from './kafka-config.ts'
import { run } from './programs.ts'
import { NEWEST_KAFKA, requireKafka } from './provision-kafka.ts'
import type { KafkaPrograms, KafkaVersion } from './provision-kafka.ts'
import { ServerProcess } from './server-process.ts'
import type { Signal } from './server-process.ts'

const START_MS = 60_000
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg'
/** A small server that is up soon. */
const JVM = [
  '-Xmx512m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
  '-Dfile.encoding=UTF-8',
]

export interface KafkaServerOptions extends KafkaOptions {
  /** The newest. */
  readonly version?: KafkaVersion
}

/** A real Kafka of our own on free ports of 127.0.0.1; it is stopped when the test file is over. */
export interface KafkaServer {
  /** `127.0.0.1:port` of the listener that takes everybody. */
  readonly address: string
  readonly port: number
  readonly id: number
  readonly running: boolean
  readonly output: string
  /**
   * Runs one of Kafka's own programs by its class; what it wrote to stdout.
   * @throws Error with its words when it fails, or after `timeoutMs` (60 000)
   */
  tool(
    mainClass: string,
    args: readonly string[],
    options?: { readonly input?: string; readonly timeoutMs?: number },
  ): Promise<string>
  /** The lines that Kafka's console consumer prints of a topic from its beginning; `show`: `key`, `partition`, `headers`. */
  consumed(
    topic: string,
    options: {
      readonly show?: readonly string[]
      /** It ends after so many, or when nothing came for `idleMs` (10 000). */
      readonly count?: number
      readonly idleMs?: number
    },
  ): Promise<string[]>
  /** Sends a signal; ends when the process has ended if the signal does that. */
  kill(signal?: Signal): Promise<void>
  /** Ends the process; `start` may follow. */
  stop(): Promise<void>
  /** Starts it again with its data. */
  start(): Promise<void>
  /** Stops the process (SIGSTOP): connections stay open, nothing is answered. */
  pause(): void
  resume(): void
}

/** @throws Error when there is no Kafka, or it does not start within a minute (with its last words) */
export async function startKafka(options: KafkaServerOptions = {}): Promise<KafkaServer> {
  const [server] = await startKafkas(1, options)
  return server as KafkaServer
}

/** Servers that form one cluster. `of` gives what differs between them. */
export async function startKafkas(
  count: number,
  options: KafkaServerOptions,
  of: (index: number) => KafkaOptions = () => ({}),
): Promise<KafkaServer[]> {
  const programs = await requireKafka(options.version ?? NEWEST_KAFKA)
  for (let attempt = 1; ; attempt++) {
    const ports = await Promise.all(
      Array.from({ length: count }, async () => [await freePort(), await freePort()] as const),
    )
    const voters = ports.map(([, controller], i) => `${i + 1}@127.0.0.1:${controller}`)
    const servers = await Promise.all(
      ports.map(async ([port, controllerPort], i) => {
        const folder = await tempDir('kafka')
        const keyStore = await makeKeyStore(folder, options)
        const dataDir = join(folder, 'data')
        const node = { id: i + 1, port, controllerPort, dataDir, voters, keyStore }
        return new OwnKafkaServer(programs, folder, node, { ...options, ...of(i) })
      }),
    )
    try {
      await Promise.all(servers.map((server) => server.format()))
      await Promise.all(servers.map((server) => server.start()))
      return servers
    } catch (error) {
      await Promise.all(servers.map((server) => server.stop()))
      const taken = servers.some(({ output }) => output.includes('BindException'))
      if (attempt === 5 || !taken) throw error
    }
  }
}

async function makeKeyStore(
  folder: string,
  { certificates }: KafkaOptions,
): Promise<string | undefined> {
  if (certificates === undefined) return undefined
  const path = join(folder, 'server-store.pem')
  const key = await readFile(certificates.key, 'utf8')
  await writeFile(path, key + (await readFile(certificates.certificate, 'utf8')))
  return path
}

class OwnKafkaServer implements KafkaServer {
  readonly #programs: KafkaPrograms
  readonly #folder: string
  readonly #node: KafkaNode
  readonly #options: KafkaOptions
  #process: ServerProcess | undefined

  constructor(programs: KafkaPrograms, folder: string, node: KafkaNode, options: KafkaOptions) {
    this.#programs = programs
    this.#folder = folder
    this.#node = node
    this.#options = options
    onTeardown(() => this.stop())
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  get port(): number {
    return this.#node.port
  }

  get id(): number {
    return this.#node.id
  }

  get running(): boolean {
    return this.#process?.running === true
  }

  get output(): string {
    return this.#process?.output ?? ''
  }

  get #configFile(): string {
    return join(this.#folder, 'server.properties')
  }

  async format(): Promise<void> {
    await rm(this.#node.dataDir, { recursive: true, force: true })
    await writeFile(this.#configFile, kafkaConfig(this.#node, this.#options))
    const scram = scramArguments(this.#options.users)
    await run(this.#programs.java, [
      ...JVM,
      '-cp',
      this.#programs.classPath,
      'kafka.tools.StorageTool',
      'format',
      '-t',
      CLUSTER_ID,
      '-c',
      this.#configFile,
      ...scram,
    ])
  }

  async start(): Promise<void> {
    const { java, classPath } = this.#programs
    const args = [...JVM, '-cp', classPath, 'kafka.Kafka', this.#configFile]
    const child = new ServerProcess(java, args, { cwd: this.#folder })
    this.#process = child
    await waitFor(() => !child.running || accepts(this.port), {
      timeoutMs: START_MS,
      describe: () => `Kafka on port ${this.port}:\n${child.output}`,
    })
    if (!child.running) throw new Error(`Kafka ended at its start:\n${child.output}`)
  }

  async tool(
    mainClass: string,
    args: readonly string[],
    { input = '', timeoutMs = 60_000 }: { input?: string; timeoutMs?: number } = {},
  ): Promise<string> {
    const { java, classPath } = this.#programs
    const child = spawn(java, [...JVM, '-cp', classPath, mainClass, ...args], {
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    let out = ''
    let problems = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (problems += text))
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
    if (code === 0) return out
    throw new Error(`${mainClass} failed (${code}): ${(problems + out).slice(-2_000)}`)
  }

  async consumed(
    topic: string,
    options: {
      readonly show?: readonly string[]
      readonly count?: number
      readonly idleMs?: number
    },
  ): Promise<string[]> {
    const { show = [], count, idleMs = 10_000 } = options
    const settings: Record<string, string> = {
      'bootstrap-server': this.address,
      topic,
      'timeout-ms': String(idleMs),
      ...(count === undefined ? {} : { 'max-messages': String(count) }),
    }
    const printed = await this.tool('org.apache.kafka.tools.consumer.ConsoleConsumer', [
      '--from-beginning',
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      ...show.flatMap((what) => ['--property', `print.${what}=true`]),
    ])
    return printed.split('\n').slice(0, -1)
  }

  async kill(signal: Signal = 'SIGKILL'): Promise<void> {
    await this.#process?.kill(signal)
  }

  async stop(): Promise<void> {
    await this.kill('SIGKILL')
  }

  pause(): void {
    void this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    void this.#process?.kill('SIGCONT')
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}
