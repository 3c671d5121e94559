import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../support/free-port.ts'
import { onTeardown } from '../support/teardown.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'
import { etcdFlags, peerUrl } from './etcd-options.ts'
import type { EtcdMember, EtcdOptions } from './etcd-options.ts'
import { requireEtcd } from './provision-etcd.ts'
import type { EtcdPrograms } from './provision-etcd.ts'
import { makeCertificates } from './redis-certificates.ts'
import { ServerProcess } from './server-process.ts'
import type { Signal } from './server-process.ts'

const START_MS = 30_000
const CTL_MS = 20_000

/** A real etcd of our own on a free port of 127.0.0.1; it is stopped when the test file is over. */
export interface EtcdServer {
  /** `etcd://127.0.0.1:port` or `etcds://`, without a user. */
  readonly url: string
  readonly host: string
  readonly port: number
  /** Of the present process; it changes with `restart`. */
  readonly pid: number
  readonly running: boolean
  /** The paths of PEM files; undefined without `tls`. */
  readonly certificates:
    | { readonly ca: string; readonly certificate: string; readonly key: string }
    | undefined
  readonly dataDir: string
  /** What the server wrote last. */
  readonly output: string
  /**
   * Runs etcdctl with full rights; the answer without its last line end.
   * @throws Error with etcdctl's words when it fails, or after 20 s
   */
  ctl(...args: readonly string[]): Promise<string>
  /** Runs etcdctl with an interactive text, as `txn` reads it. */
  ctlInput(input: string, ...args: readonly string[]): Promise<string>
  /** The present revision. */
  revision(): Promise<number>
  /** Sends a signal; ends when the process has ended if the signal does that. */
  kill(signal?: Signal): Promise<void>
  /** Ends the process; `restart` may follow. */
  stop(): Promise<void>
  /** Ends the process by SIGKILL if it still runs and starts another on the same port, with the same cluster id. */
  restart(options: { readonly keepData: boolean }): Promise<void>
  /** Writes all data to a file. */
  saveSnapshot(file: string): Promise<void>
  /** Ends the process, puts the snapshot's data in the place of its own and starts it again. */
  restoreSnapshot(file: string): Promise<void>
  /** Stops the process (SIGSTOP): connections stay open, nothing is answered. */
  pause(): void
  /** Goes on after `pause`. */
  resume(): void
}

/** @throws Error when there is no etcd, or it does not start within 30 s (with its last words) */
export async function startEtcd(options: EtcdOptions = {}): Promise<EtcdServer> {
  const programs = await requireEtcd()
  const folder = await tempDir('etcd')
  const { tls = false } = options
  const certificates = tls === true ? await makeCertificates(folder) : tls || undefined
  for (let attempt = 1; ; attempt++) {
    const [port, peerPort] = [await freePort(), await freePort()]
    const server = new OwnEtcdServer(programs, {
      ...options,
      name: 'one',
      port,
      peerPort,
      dataDir: join(folder, `data${attempt}`),
      initialCluster: `one=${peerUrl(peerPort)}`,
      token: randomUUID(),
      certificates,
    })
    try {
      await server.start()
      if (options.rootPassword !== undefined) await server.enableAuth(options.rootPassword)
      return server
    } catch (error) {
      await server.stop()
      if (attempt === 5 || !server.output.includes('address already in use')) throw error
    }
  }
}

/** One member, started by {@link startEtcd} or as part of a cluster. */
export class OwnEtcdServer implements EtcdServer {
  readonly host = '127.0.0.1'
  readonly #programs: EtcdPrograms
  readonly #member: EtcdMember
  #process: ServerProcess | undefined
  #password: string | undefined

  constructor(programs: EtcdPrograms, member: EtcdMember) {
    this.#programs = programs
    this.#member = member
    onTeardown(() => this.stop())
  }

  get url(): string {
    return `${this.certificates === undefined ? 'etcd' : 'etcds'}://${this.host}:${this.port}`
  }

  get port(): number {
    return this.#member.port
  }

  get pid(): number {
    return this.#process?.pid ?? -1
  }

  get running(): boolean {
    return this.#process?.running === true
  }

  get certificates(): EtcdMember['certificates'] {
    return this.#member.certificates
  }

  get dataDir(): string {
    return this.#member.dataDir
  }

  get output(): string {
    return this.#process?.output ?? ''
  }

  /** Starts the process; it has to become healthy only where it needs no others. */
  spawn(): void {
    this.#process = new ServerProcess(this.#programs.server, etcdFlags(this.#member), {
      cwd: join(this.dataDir, '..'),
    })
  }

  async start(): Promise<void> {
    this.spawn()
    await this.healthy()
  }

  /** Waits until it answers a linearizable read. @throws Error with its last words */
  async healthy(): Promise<void> {
    const child = this.#process
    if (child === undefined) throw new Error('it was not started')
    const failed = child.exited.then(() => {
      throw new Error(`etcd ended at its start:\n${child.output}`)
    })
    const ready = waitFor(
      async () => !child.running || (await this.ctl('endpoint', 'health')) !== '',
      {
        timeoutMs: START_MS,
        describe: () => `etcd on port ${this.port}:\n${child.output}`,
      },
    )
    await Promise.race([ready, failed])
    if (!child.running) await failed
    failed.catch(() => {})
  }

  async enableAuth(password: string): Promise<void> {
    await this.ctl('user', 'add', `root:${password}`)
    await this.ctl('user', 'grant-role', 'root', 'root')
    await this.ctl('auth', 'enable')
    this.#password = password
  }

  ctl(...args: readonly string[]): Promise<string> {
    return this.ctlInput('', ...args)
  }

  ctlInput(input: string, ...args: readonly string[]): Promise<string> {
    const { certificates } = this.#member
    const scheme = certificates === undefined ? 'http' : 'https'
    const own = [`--endpoints=${scheme}://${this.host}:${this.port}`]
    if (certificates !== undefined) {
      own.push(
        `--cacert=${certificates.ca}`,
        `--cert=${certificates.certificate}`,
        `--key=${certificates.key}`,
      )
    }
    if (this.#password !== undefined) own.push(`--user=root:${this.#password}`)
    const env = { ...process.env, ETCDCTL_API: '3' }
    return new Promise((resolve, reject) => {
      const settings = {
        env,
        timeout: CTL_MS,
        maxBuffer: 256 * 2 ** 20,
        killSignal: 'SIGKILL',
      } as const
      const child = execFile(this.#programs.ctl, [...own, ...args], settings, (error, out, err) => {
        if (error === null) resolve((out === '' ? err : out).replace(/\n$/u, ''))
        else reject(new Error(`etcdctl ${args[0] ?? ''}: ${(err + out).trim() || error.message}`))
      })
      // A program that needs no input may have ended before.
      child.stdin?.on('error', () => {})
      child.stdin?.end(input)
    })
  }

  async revision(): Promise<number> {
    const answer = JSON.parse(await this.ctl('get', 'any', '-w', 'json')) as {
      header: { revision?: number }
    }
    return answer.header.revision ?? 0
  }

  async kill(signal: Signal = 'SIGKILL'): Promise<void> {
    await this.#process?.kill(signal)
  }

  async stop(): Promise<void> {
    await this.kill('SIGKILL')
  }

  async restart({ keepData }: { readonly keepData: boolean }): Promise<void> {
    await this.stop()
    if (!keepData) await rm(this.dataDir, { recursive: true, force: true })
    await this.start()
  }

  async saveSnapshot(file: string): Promise<void> {
    await this.ctl('snapshot', 'save', file)
  }

  async restoreSnapshot(file: string): Promise<void> {
    await this.stop()
    await rm(this.dataDir, { recursive: true, force: true })
    const { name, peerPort, initialCluster, token } = this.#member
    await mkdir(join(this.dataDir, '..'), { recursive: true })
    await this.ctl(
      'snapshot',
      'restore',
      file,
      `--name=${name}`,
      `--data-dir=${this.dataDir}`,
      `--initial-cluster=${initialCluster}`,
      `--initial-cluster-token=${token}`,
      `--initial-advertise-peer-urls=${peerUrl(peerPort)}`,
    )
    await this.start()
  }

  pause(): void {
    void this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    void this.#process?.kill('SIGCONT')
  }
}
