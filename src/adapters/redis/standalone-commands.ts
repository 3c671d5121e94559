import type { Cancellation } from '../../kit/call.ts'
import { CommandConnection } from './command-connection.ts'
import type { Commands, Primaries, WriteProgress } from './commands.ts'
import type { Ambient, CommandLine, Reply } from './connection.ts'
import type { Dial } from './dial.ts'
import { readTogether } from './key-reader.ts'
import type { RedisSettings } from './options.ts'
import type { Endpoint } from '../../kit/server-url.ts'

/** One server. */
export class StandaloneCommands implements Commands {
  readonly #settings: RedisSettings
  readonly #server: CommandConnection

  constructor(settings: RedisSettings, dial: Dial, io: Ambient) {
    this.#settings = settings
    this.#server = new CommandConnection(settings.endpoints[0] as Endpoint, settings, dial, io)
  }

  send(
    _keys: readonly string[],
    command: CommandLine,
    call: Cancellation,
    progress?: WriteProgress,
  ): Promise<Reply> {
    return this.#server.run((connection) => {
      if (progress !== undefined) progress.sent = true
      return connection.send(command)
    }, call)
  }

  async get(keys: readonly string[], call: Cancellation): Promise<readonly (Buffer | null)[]> {
    const { scanCount } = this.#settings
    const values: (Buffer | null)[] = []
    for (let start = 0; start < keys.length; start += scanCount) {
      const some = keys.slice(start, start + scanCount)
      // One after the other: a server holds every answer until it is read.
      values.push(...(await this.#server.run((connection) => connection.mget(some), call)))
    }
    return values
  }

  async primaries(signal: AbortSignal): Promise<Primaries> {
    const connection = await this.#server.get(signal)
    return { connections: new Map([['', connection]]), slots: undefined, read: readTogether }
  }

  close(): Promise<void> {
    return this.#server.close()
  }
}
