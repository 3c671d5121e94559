import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../support/free-port.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'
import { requireRedis } from './provision-redis.ts'
import { makeCertificates } from './redis-certificates.ts'
import { ADMIN, CLUSTER_FILE, redisConfig, redisUsers } from './redis-options.ts'
import type { RedisConfig, RedisOptions } from './redis-options.ts'
import { ServerProcess } from './server-process.ts'
import type { Signal } from './server-process.ts'

const START_MS = 20_000
const CLI_MS = 20_000

/** A real redis-server of our own on a free port of 127.0.0.1; it is stopped when the test file is over. */
export interface RedisServer {
  /** `redis://127.0.0.1:port` or `rediss://`, with the default user's password where there is one. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Where a cluster's nodes talk to each other; 0 when it is none. */
  readonly clusterPort: number
  /** Of the present process; it changes with `restart`. */
  readonly pid: number
  readonly running: boolean
  readonly password: string | undefined
  /** The path of the authority's certificate (PEM); undefined without `tls`. */
  readonly ca: string | undefined
  readonly dataDir: string
  /** What the server wrote last. */
  readonly output: string
  /**
   * Runs redis-cli with full rights; the answer without its last line end.
   * @throws Error with the server's words when it answers with an error, or after 20 s (paused)
   */
  cli(...args: readonly string[]): Promise<string>
  /** Sends a signal; ends when the process has ended if the signal does that. */
  kill(signal?: Signal): Promise<void>
  /** Ends the process; `restart` may follow. */
  stop(): Promise<void>
  /**
   * Ends the process by SIGKILL if it still runs and starts another on the same port. A node of a cluster stays in it,
   * with or without data.
   * @throws Error for `keepData: true` on a server that is not `persistent`
   */
  restart(options: { readonly keepData: boolean }): Promise<void>
  /** Stops the process (SIGSTOP): connections stay open, nothing is answered. */
  pause(): void
  /** Goes on after `pause`. */
  resume(): void
}

/** @throws Error when there is no redis-server, or it does not start within 20 s (with its last words) */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const { server: program, cli } = await requireRedis()
  const folder = await tempDir('redis')
  const dataDir = join(folder, 'data')
  const { tls = false } = options
  const certificates = tls === true ? await makeCertificates(folder) : tls || undefined
  const adminPassword = randomBytes(12).toString('hex')
  for (let attempt = 1; ; attempt++) {
    const port = await freePort()
    const clusterPort = options.clusterNodeTimeoutMs === undefined ? 0 : await freePort()
    const own = { port, clusterPort, dataDir, adminPassword, certificates }
    const config: RedisConfig = { ...options, ...own }
    const server = new OwnRedisServer(program, cli, join(folder, 'redis.conf'), config)
    try {
      await server.start()
      return server
    } catch (error) {
      await server.stop()
      if (attempt === 5 || !server.output.includes('Address already in use')) throw error
    }
  }
}

class OwnRedisServer implements RedisServer {
  readonly host = '127.0.0.1'
  readonly #program: string
  readonly #cli: string
  readonly #configFile: string
  readonly #config: RedisConfig
  #process: ServerProcess | undefined

  constructor(program: string, cli: string, configFile: string, config: RedisConfig) {
    this.#program = program
    this.#cli = cli
    this.#configFile = configFile
    this.#config = config
    onTeardown(() => this.stop())
  }

  get url(): string {
    const { certificates, password } = this.#config
    const scheme = certificates === undefined ? 'redis' : 'rediss'
    const user = password === undefined ? '' : `:${encodeURIComponent(password)}@`
    return `${scheme}://${user}${this.host}:${this.port}`
  }

  get port(): number {
    return this.#config.port
  }

  get clusterPort(): number {
    return this.#config.clusterPort
  }

  get pid(): number {
    return this.#process?.pid ?? -1
  }

  get running(): boolean {
    return this.#process?.running === true
  }

  get password(): string | undefined {
    return this.#config.password
  }

  get ca(): string | undefined {
    return this.#config.certificates?.ca
  }

  get dataDir(): string {
    return this.#config.dataDir
  }

  get output(): string {
    return this.#process?.output ?? ''
  }

  async start(): Promise<void> {
    await mkdir(this.dataDir, { recursive: true })
    await writeFile(this.#configFile, redisConfig(this.#config))
    const users = redisUsers(this.#config)
    if (users !== undefined) await writeFile(join(this.dataDir, 'users.acl'), users)
    const child = new ServerProcess(this.#program, [this.#configFile], { cwd: this.dataDir })
    this.#process = child
    const failed = child.exited.then(() => {
      throw new Error(`redis-server ended at its start:\n${child.output}`)
    })
    const ready = waitFor(async () => !child.running || (await this.cli('PING')) === 'PONG', {
      timeoutMs: START_MS,
      describe: () => `redis-server on port ${this.port}:\n${child.output}`,
    })
    await Promise.race([ready, failed])
    // An answer may have come from another server that took the port before ours.
    if (!child.running) await failed
    failed.catch(() => {})
  }

  cli(...args: readonly string[]): Promise<string> {
    const { certificates, users, password, adminPassword } = this.#config
    const own = ['-h', this.host, '-p', String(this.port), '-e']
    if (certificates !== undefined) own.push('--tls', '--cacert', certificates.ca)
    if (users !== undefined) own.push('--user', ADMIN)
    const secret = users === undefined ? password : adminPassword
    const env = { ...process.env, ...(secret === undefined ? {} : { REDISCLI_AUTH: secret }) }
    return new Promise((resolve, reject) => {
      const settings = {
        env,
        timeout: CLI_MS,
        maxBuffer: 256 * 2 ** 20,
        killSignal: 'SIGKILL',
      } as const
      execFile(this.#cli, [...own, ...args], settings, (error, stdout, stderr) => {
        if (error === null) resolve(stdout.replace(/\n$/u, ''))
        else
          reject(
            new Error(`redis-cli ${args[0] ?? ''}: ${(stderr + stdout).trim() || error.message}`),
          )
      })
    })
  }

  async kill(signal: Signal = 'SIGKILL'): Promise<void> {
    await this.#process?.kill(signal)
  }

  async stop(): Promise<void> {
    await this.kill('SIGKILL')
  }

  async restart({ keepData }: { readonly keepData: boolean }): Promise<void> {
    if (
      keepData &&
      this.#config.persistent !== true &&
      this.#config.config?.['appendonly'] !== 'yes'
    ) {
      throw new Error('keepData needs a server that was started with persistent: true')
    }
    await this.stop()
    for (const name of keepData ? [] : await readdir(this.dataDir)) {
      if (name !== CLUSTER_FILE) await rm(join(this.dataDir, name), { recursive: true })
    }
    await this.start()
  }

  pause(): void {
    void this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    void this.#process?.kill('SIGCONT')
  }
}
