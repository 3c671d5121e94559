import type { Redis } from 'ioredis'
import type { Timer } from '../../api/clock.ts'
import { TransportUnavailableError } from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import type { Io } from '../../api/transport.ts'
import { nextTask } from '../../kit/next-task.ts'
import { replyCode, translate } from './errors.ts'
import type { RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'

/** What RESP2 answers; texts are bytes. */
export type Reply = Buffer | number | null | readonly Reply[]

/** A command and its arguments. */
export type CommandLine = readonly [name: string, ...args: (string | Buffer)[]]

/** Time, chance and log of the transport, without a call's signal. */
export type Ambient = Omit<Io, 'signal'>

/** How often a connection that owes an answer is looked at, per silence it may keep. */
const LOOKS = 4

/**
 * One socket with an ioredis client of its own, from dialling to its end: it never connects again, so ioredis never
 * sends a command twice, and every loss is seen.
 */
export class Connection {
  readonly endpoint: Endpoint
  readonly #transport: string
  readonly #client: Redis
  readonly #clock: Ambient['clock']
  readonly #silenceMs: number
  readonly #listeners = new Set<(error: SyncError) => void>()
  #cause: unknown
  #lost: SyncError | undefined
  #owed = 0
  #look: Timer | undefined
  #quiet = 0
  #bytesSeen = 0

  constructor(
    client: Redis,
    endpoint: Endpoint,
    settings: RedisSettings,
    io: Ambient,
    silenceMs: number,
  ) {
    this.endpoint = endpoint
    this.#transport = settings.name
    this.#client = client
    this.#clock = io.clock
    this.#silenceMs = silenceMs
    // Without a listener ioredis writes errors to the console.
    client.on('error', (error: unknown) => {
      this.#cause ??= error
    })
    client.once('end', () => this.#end(undefined))
  }

  /** Why it ended; undefined while it is open. */
  get lost(): SyncError | undefined {
    return this.#lost
  }

  /** All bytes received so far: growth proves life, also in the middle of a long answer. */
  get bytesRead(): number {
    return this.#client.stream?.bytesRead ?? 0
  }

  /** Answers that are awaited. */
  get owed(): number {
    return this.#owed
  }

  /** Called once, when the connection ends; at once if it has. Returns how to take it back. */
  onLost(listener: (error: SyncError) => void): () => void {
    if (this.#lost !== undefined) listener(this.#lost)
    else this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /**
   * Sends one command; strings are sent as UTF-8.
   * @throws ReplyError of ioredis when the server says no; TransportUnavailableError with outcome `not-applied` when
   * it was not sent, `unknown` when it was and the answer is lost
   */
  call(...command: CommandLine): Promise<Reply> {
    return this.send(command)
  }

  /** As {@link call}, for commands with any number of arguments. */
  send([name, ...args]: CommandLine): Promise<Reply> {
    // One list: spread over a call, a hundred thousand arguments overflow the stack.
    return this.#await(() => this.#client.callBuffer(name, args as never) as Promise<Reply>)
  }

  /** As {@link call} for many keys, without a copy of the list. */
  mget(keys: readonly string[]): Promise<(Buffer | null)[]> {
    return this.#await(() => this.#client.mgetBuffer(keys as string[]))
  }

  /**
   * Sends commands in one go; an answer may be the server's error.
   * @throws TransportUnavailableError, as {@link call}, when any answer is lost
   */
  pipeline(commands: readonly CommandLine[]): Promise<(Reply | Error)[]> {
    return this.#await(async () => {
      const batch = this.#client.pipeline(
        commands.map(([name, ...args]) => ['callBuffer', name, args]),
      )
      const answers = (await batch.exec()) ?? []
      return answers.map(([error, reply]) => {
        if (error !== null && replyCode(error) === undefined) throw error
        return error ?? (reply as Reply)
      })
    })
  }

  psubscribe(patterns: readonly string[]): Promise<unknown> {
    return this.#await(() => this.#client.psubscribe(...patterns))
  }

  punsubscribe(patterns: readonly string[]): Promise<unknown> {
    return this.#await(() => this.#client.punsubscribe(...patterns))
  }

  subscribe(channel: string): Promise<unknown> {
    return this.#await(() => this.#client.subscribe(channel))
  }

  /** The only command that a connection with subscriptions takes. */
  ping(): Promise<unknown> {
    return this.#await(() => this.#client.ping())
  }

  /** Of pattern subscriptions: the channel's name. Must not throw. */
  onPatternMessage(listener: (channel: Buffer) => void): void {
    this.#client.on('pmessageBuffer', (_pattern: unknown, channel: Buffer) => listener(channel))
  }

  /** Of plain subscriptions. Tracking's messages are lists of keys, or nil. Must not throw. */
  onMessage(listener: (message: Reply) => void): void {
    this.#client.on('messageBuffer', (_channel: unknown, message: Reply) => listener(message))
  }

  /** Ends it at once, without a word to the server: a held link would not take one. */
  destroy(reason?: SyncError): void {
    this.#end(reason)
    // On a socket that is closed already ioredis would start a timer that nobody stops.
    if (this.#client.status === 'close' || this.#client.status === 'end') return
    this.#client.disconnect()
    this.#client.stream?.destroy()
  }

  /** Waits for the answers that are owed, at most so long; then {@link destroy}. */
  async close(withinMs: number): Promise<void> {
    if (this.#lost === undefined && this.#owed > 0) await this.#quit(withinMs)
    this.destroy()
  }

  async #quit(withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = this.#clock.after(withinMs, resolve)
      const done = (): void => {
        timer.stop()
        resolve()
      }
      this.#client.quit().then(done, done)
    })
  }

  #end(reason: SyncError | undefined): void {
    if (this.#lost !== undefined) return
    this.#look?.stop()
    this.#lost = reason ?? this.#lostError('not-applied')
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener(this.#lost)
  }

  #lostError(outcome: 'not-applied' | 'unknown'): SyncError {
    const at = endpointName(this.endpoint)
    if (this.#cause !== undefined) return translate(this.#transport, this.#cause, outcome)
    return new TransportUnavailableError(this.#transport, `the connection to ${at} is lost`, {
      outcome,
    })
  }

  async #await<T>(send: () => Promise<T>): Promise<T> {
    // A stream that is not writable takes nothing: the command never leaves.
    if (this.#lost !== undefined || this.#client.stream?.writable !== true) {
      throw this.#lostError('not-applied')
    }
    this.#owed++
    this.#watch()
    try {
      return await send()
    } catch (error) {
      // ioredis' own errors for a lost connection carry the command, secrets included: they end here.
      throw replyCode(error) === undefined ? this.#unanswered() : error
    } finally {
      this.#owed--
    }
  }

  #unanswered(): SyncError {
    const cause = this.#lost ?? this.#cause
    return new TransportUnavailableError(
      this.#transport,
      `the connection to ${endpointName(this.endpoint)} was lost before the answer`,
      { outcome: 'unknown', ...(cause === undefined ? {} : { cause }) },
    )
  }

  /** W13: bytes have to come while an answer is owed. Counting looks instead of reading the clock survives its jumps. */
  #watch(): void {
    if (this.#look !== undefined) return
    this.#quiet = 0
    this.#bytesSeen = this.bytesRead
    const look = (): void => {
      this.#look = undefined
      if (this.#owed === 0 || this.#lost !== undefined) return
      if (this.bytesRead === this.#bytesSeen) this.#quiet++
      else this.#quiet = 0
      this.#bytesSeen = this.bytesRead
      if (this.#quiet < LOOKS) {
        this.#look = this.#clock.after(this.#silenceMs / LOOKS, look)
        return
      }
      // A blocked event loop is no silence: what waits in the socket gets its turn to be read.
      nextTask(() => nextTask(() => this.#giveUp(look)))
    }
    this.#look = this.#clock.after(this.#silenceMs / LOOKS, look)
  }

  #giveUp(look: () => void): void {
    if (this.#lost !== undefined) return
    if (this.bytesRead !== this.#bytesSeen) {
      look()
      return
    }
    this.destroy(
      new TransportUnavailableError(
        this.#transport,
        `${endpointName(this.endpoint)} answered nothing for ${this.#silenceMs} ms`,
        { outcome: 'unknown' },
      ),
    )
  }
}
