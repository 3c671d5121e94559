import { setMaxListeners } from 'node:events'
import { ClosedError, TransportUnavailableError } from '../../api/errors.ts'
import { backoffMs } from '../../kit/backoff.ts'
import { abortable, onAbort } from '../../kit/abortable.ts'
import type { Cancellation } from '../../kit/call.ts'
import { readClusterView, reached } from './cluster-view.ts'
import { CommandConnection } from './command-connection.ts'
import type { Commands, Primaries, WriteProgress } from './commands.ts'
import type { Ambient, CommandLine, Connection, Reply } from './connection.ts'
import type { Dial } from './dial.ts'
import { replyArguments, replyCode } from './errors.ts'
import { clusterReader } from './key-reader.ts'
import type { FindNode } from './key-reader.ts'
import type { RedisSettings } from './options.ts'
import { pause } from '../../kit/pause.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { SlotMap } from './slot-map.ts'

/** How often one command is sent on, or again: each answer so far said that it was not applied. */
const MAX_REDIRECTIONS = 8
/** Nodes that are asked for the map of slots. */
const ASKED_AT_ONCE = 3
const TRY_AGAIN_BACKOFF = { baseMs: 50, capMs: 1_000 } as const

/**
 * A cluster, with a connection per primary. Not ioredis' Cluster: it sends a command again when the connection is lost
 * (`retryDelayOnFailover`), which may apply a write twice. Here only an answer that refuses the command (MOVED, ASK,
 * TRYAGAIN) leads to another try.
 */
export class ClusterCommands implements Commands {
  readonly #settings: RedisSettings
  readonly #dial: Dial
  readonly #io: Ambient
  readonly #nodes = new Map<string, CommandConnection>()
  #slots: SlotMap | undefined
  #looking: Promise<SlotMap> | undefined
  readonly #closing: AbortController = new AbortController()

  constructor(settings: RedisSettings, dial: Dial, io: Ambient) {
    this.#settings = settings
    this.#dial = dial
    this.#io = io
    // Each node's dial listens to it.
    setMaxListeners(0, this.#closing.signal)
  }

  async send(
    keys: readonly string[],
    command: CommandLine,
    call: Cancellation,
    progress: WriteProgress = { sent: false },
  ): Promise<Reply> {
    let target: { endpoint: Endpoint; asking: boolean } | undefined
    for (let attempt = 0; attempt <= MAX_REDIRECTIONS; attempt++) {
      const endpoint = target?.endpoint ?? (await this.#ownerOf(keys[0] ?? '', call))
      const asking = target?.asking === true
      try {
        return await this.#node(endpoint).run((connection) => {
          progress.sent = true
          return asking ? ask(connection, command) : connection.send(command)
        }, call)
      } catch (error) {
        const code = replyCode(error)
        if (code === 'MOVED' || code === 'ASK') {
          const address = replyArguments(error)[1] ?? ''
          target = {
            endpoint: reached(this.#settings, address, endpoint.host),
            asking: code === 'ASK',
          }
          if (code === 'MOVED') this.#slots = undefined
        } else if (code === 'TRYAGAIN') {
          await pause(
            backoffMs(attempt, this.#io.random, TRY_AGAIN_BACKOFF),
            this.#io.clock,
            call.signal,
          )
        } else {
          // Perhaps another one is the primary now.
          if (code === undefined || code === 'READONLY' || code === 'CLUSTERDOWN')
            this.#slots = undefined
          throw error
        }
        progress.sent = false
      }
    }
    throw new TransportUnavailableError(
      this.#settings.name,
      `the cluster sent a command on ${MAX_REDIRECTIONS} times`,
    )
  }

  async get(keys: readonly string[], call: Cancellation): Promise<readonly (Buffer | null)[]> {
    return Promise.all(
      keys.map(async (key) => {
        try {
          const value = await this.send([key], ['GET', key], call)
          return Buffer.isBuffer(value) ? value : null
        } catch (error) {
          if (replyCode(error) === 'WRONGTYPE') return null
          throw error
        }
      }),
    )
  }

  async primaries(signal: AbortSignal): Promise<Primaries> {
    const known = await this.#look(signal)
    const connections = new Map<string, Connection>()
    const views = await Promise.all(
      [...known.primaries.values()].map(async ({ id, endpoint }) => {
        const connection = await this.#node(endpoint).get(signal)
        connections.set(id, connection)
        return readClusterView(connection, this.#settings)
      }),
    )
    const findNode: FindNode = (address, asked) =>
      this.#node(reached(this.#settings, address, asked.endpoint.host)).get(signal)
    return { connections, slots: SlotMap.agreed(views), read: clusterReader(findNode) }
  }

  /** As it is now, asked over connections of its own: neither a back-off nor traffic stands in the way. */
  async survey(signal: AbortSignal): Promise<SlotMap> {
    const opened = new Set<Connection>()
    const done = new AbortController()
    const forget = onAbort(signal, () => done.abort(signal.reason))
    try {
      return await this.#discover(async (endpoint) => {
        const connection = await this.#dial(endpoint, this.#settings.livenessMs, done.signal)
        opened.add(connection)
        if (done.signal.aborted) connection.destroy()
        return connection
      })
    } finally {
      forget()
      done.abort()
      for (const connection of opened) connection.destroy()
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ClosedError(this.#settings.name))
    await Promise.all([...this.#nodes.values()].map((node) => node.close()))
  }

  /** Asks some nodes at once, as one that is gone may take long to say nothing; then others. The first answer counts. */
  async #discover(connect: (endpoint: Endpoint) => Promise<Connection>): Promise<SlotMap> {
    const known = this.#known()
    let failure: unknown
    for (let first = 0; first < known.length; first += ASKED_AT_ONCE) {
      const some = known.slice(first, first + ASKED_AT_ONCE)
      try {
        const view = await Promise.any(
          some.map(async (endpoint) => readClusterView(await connect(endpoint), this.#settings)),
        )
        this.#slots = SlotMap.seenBy(view)
        return this.#slots
      } catch (error) {
        const failures: readonly unknown[] = (error as AggregateError).errors
        // What waiting cannot mend is the better explanation.
        failure =
          failures.find((one) => !(one instanceof TransportUnavailableError)) ??
          failure ??
          failures[0]
      }
    }
    throw failure
  }

  /** Known primaries first, then the seeds. */
  #known(): Endpoint[] {
    const primaries = [...(this.#slots?.primaries.values() ?? [])].map(({ endpoint }) => endpoint)
    const all = [...primaries, ...this.#settings.endpoints]
    return [...new Map(all.map((endpoint) => [endpointName(endpoint), endpoint])).values()]
  }

  async #ownerOf(key: string, call: Cancellation): Promise<Endpoint> {
    const slots = this.#slots ?? (await this.#look(call.signal))
    const owner = slots.primaries.get(slots.ownerOf(key) ?? '') ?? [...slots.primaries.values()][0]
    if (owner === undefined) {
      throw new TransportUnavailableError(this.#settings.name, 'the cluster has no primaries')
    }
    return owner.endpoint
  }

  #look(signal: AbortSignal): Promise<SlotMap> {
    const own = this.#closing.signal
    this.#looking ??= this.#discover((endpoint) => this.#node(endpoint).get(own)).finally(() => {
      this.#looking = undefined
    })
    return abortable(this.#looking, signal)
  }

  #node(endpoint: Endpoint): CommandConnection {
    // A redirection may come after the end.
    this.#closing.signal.throwIfAborted()
    const name = endpointName(endpoint)
    let node = this.#nodes.get(name)
    if (node === undefined) {
      node = new CommandConnection(endpoint, this.#settings, this.#dial, this.#io)
      this.#nodes.set(name, node)
    }
    return node
  }
}

/** ASKING holds for the next command of the connection: both go out together. */
async function ask(connection: Connection, command: CommandLine): Promise<Reply> {
  const [, reply] = await connection.pipeline([['ASKING'], command])
  if (reply instanceof Error) throw reply
  return reply ?? null
}
