import { buffer } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import { systemClock } from '../api/clock.ts'
import type { Timer } from '../api/clock.ts'
import { describeError, TimeoutError } from '../api/errors.ts'
import { silentLogger } from '../api/logger.ts'
import type { Logger } from '../api/logger.ts'
import type { Io } from '../api/transport.ts'
import type { Agent } from '../agent/agent.ts'
import { fromEnvironment } from './environment.ts'
import { noteLogger } from './note-logger.ts'
import { Notes } from './notes.ts'
import { openTransport } from './open-transport.ts'
import type { Access, Location } from './open-transport.ts'
import { Output } from './output.ts'
import type { TerminalStream } from './output.ts'
import type { Secrets } from './secrets.ts'

/** Where a command runs. */
export interface Surroundings {
  readonly stdin: Readable
  readonly stdout: TerminalStream
  readonly stderr: TerminalStream
  readonly env: NodeJS.ProcessEnv
}

/** Options of every command. */
export interface CommonOptions {
  readonly json?: boolean
  readonly human?: boolean
  readonly color?: boolean
  readonly verbose?: boolean
  /** ms; 0 = none */
  readonly timeout?: number
  readonly set?: Readonly<Record<string, unknown>>
  readonly tlsCa?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
}

/** What ended a command from outside: Ctrl-C, SIGTERM, or the reader of its output going away. */
export type Ending = 'SIGINT' | 'SIGTERM' | 'reader'

/** Thrown out of whatever a command waited for when it is ended from outside. */
export class EndedError extends Error {
  override readonly name = 'AbortError'
}

/** One run of a command: its streams, options and ending, and what has to be closed after it. */
export class Session {
  readonly options: CommonOptions
  readonly output: Output
  readonly notes: Notes
  readonly logger: Logger
  readonly #surroundings: Surroundings
  readonly #secrets: Secrets
  readonly #ending: AbortController = new AbortController()
  readonly #closers: (() => Promise<unknown>)[] = []
  #endedBy: Ending | undefined

  constructor(options: CommonOptions, surroundings: Surroundings, secrets: Secrets) {
    const { stdout, stderr, env } = surroundings
    this.options = options
    this.#surroundings = surroundings
    this.#secrets = secrets
    const json = options.json === true || (options.human !== true && stdout.isTTY !== true)
    this.output = new Output(stdout, {
      json,
      color: !json && colored(stdout, options, env),
      clip: !json,
    })
    this.notes = new Notes(stderr, colored(stderr, options, env), (text) => secrets.mask(text))
    this.logger = options.verbose === true ? noteLogger(this.notes) : silentLogger
  }

  /** Aborted when the command is ended from outside. */
  get signal(): AbortSignal {
    return this.#ending.signal
  }

  get endedBy(): Ending | undefined {
    return this.#endedBy
  }

  /** Ends the command; the first ending counts. */
  end(by: Ending): void {
    if (this.#endedBy !== undefined) return
    this.#endedBy = by
    if (by === 'reader') this.output.abandon()
    this.#ending.abort(new EndedError('ended from outside'))
  }

  /** Resolves when the command is ended from outside. */
  ended(): Promise<void> {
    return new Promise((resolve) => {
      if (this.signal.aborted) resolve()
      else this.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  /** For a transport that is used without an agent. */
  get io(): Io {
    return {
      signal: this.signal,
      logger: this.logger,
      clock: systemClock,
      random: Math.random,
    }
  }

  /** What `--timeout` says, in ms, or the command's own default; 0 = none. */
  timeoutMs(whenNotGiven = 0): number {
    return this.options.timeout ?? whenNotGiven
  }

  /** Where a URL of the command line leads; `name` is `source` or `target` where there are two. @throws UsageError for an `env:` that is not set */
  locate(url: string, name?: string): Location {
    const { set = {}, tlsCa, tlsCert, tlsKey } = this.options
    const resolved = fromEnvironment(url, this.#surroundings.env)
    this.#secrets.learn(resolved)
    const settings = this.#withToken(name === undefined ? set : settingsOf(name, set))
    return { url: resolved, name, settings, tls: { ca: tlsCa, cert: tlsCert, key: tlsKey } }
  }

  /** What a text of the command line, or of a file that it names, stands for: a secret, shown in no message. */
  secret(text: string): string {
    const secret = fromEnvironment(text, this.#surroundings.env)
    this.#secrets.learnText(secret)
    return secret
  }

  /** A token may stand in the environment, as URLs may. */
  #withToken(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
    const { token } = settings
    return typeof token === 'string' ? { ...settings, token: this.secret(token) } : settings
  }

  /** An agent on the store at a URL, not started; it is closed after the command. */
  async agent(url: string, access: Access = {}, name?: string): Promise<Agent> {
    const transport = await openTransport(this.locate(url, name), access)
    const { Agent } = await import('../agent/agent.ts')
    const agent = new Agent({ transport, logger: this.logger })
    this.onClose(() => agent.close())
    return agent
  }

  /** To be called after the command, last registered first. */
  onClose(closer: () => Promise<unknown>): void {
    this.#closers.push(closer)
  }

  /**
   * Waits for work that `--timeout` and an ending from outside cut short; it may go on unseen. While `progress` gives
   * another number after that time, it goes on.
   * @throws TimeoutError (`SYNC_TIMEOUT`), EndedError
   */
  async during<T>(
    what: string,
    work: Promise<T>,
    timeoutMs: number = this.timeoutMs(),
    progress: () => number = () => 0,
  ): Promise<T> {
    let settle = (): void => {}
    const cut = new Promise<never>((_, reject) => {
      const onEnd = (): void => reject(this.signal.reason as Error)
      let timer: Timer | undefined
      let before = 0
      const arm = (): void => {
        timer = systemClock.after(timeoutMs, () => {
          const now = progress()
          if (now === before) reject(new TimeoutError(what, timeoutMs))
          else arm()
          before = now
        })
      }
      if (timeoutMs > 0) arm()
      if (this.signal.aborted) onEnd()
      else this.signal.addEventListener('abort', onEnd, { once: true })
      settle = () => {
        timer?.stop()
        this.signal.removeEventListener('abort', onEnd)
      }
    })
    try {
      return await Promise.race([work, cut])
    } finally {
      settle()
    }
  }

  /** All of stdin. */
  async readStdin(): Promise<Uint8Array> {
    return this.during('reading stdin', buffer(this.#surroundings.stdin), 0)
  }

  /** Closes everything; what fails is told and does not stop the rest. True when nothing failed. */
  async close(): Promise<boolean> {
    let ok = true
    for (const closer of this.#closers.splice(0).toReversed()) {
      try {
        await closer()
      } catch (error) {
        ok = false
        this.notes.line(`closing failed: ${describeError(error)}`)
      }
    }
    this.notes.clear()
    await this.output.drained()
    return ok
  }
}

/** What is set for all, and behind a name and a dot for this one: `--set target.maxValueBytes=1000`. */
function settingsOf(
  name: string,
  set: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const own = Object.hasOwn(set, name) ? set[name] : {}
  const common = Object.entries(set).filter(([key]) => key !== 'source' && key !== 'target')
  return { ...Object.fromEntries(common), ...(typeof own === 'object' ? own : {}) }
}

function colored(
  stream: TerminalStream,
  { color = true }: CommonOptions,
  env: NodeJS.ProcessEnv,
): boolean {
  if (!color || (env['NO_COLOR'] ?? '') !== '') return false
  if ((env['FORCE_COLOR'] ?? '') !== '') return env['FORCE_COLOR'] !== '0'
  return stream.isTTY === true && env['TERM'] !== 'dumb'
}
