import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { freePort } from './free-port.ts'
import { Hook } from './link-hooks.ts'
import type {
  LinkAction,
  LinkConnection,
  LinkHook,
  LinkPattern,
  Moment,
  Way,
} from './link-hooks.ts'
import { Pipe } from './link-pipe.ts'
import type { Flow, PipeOwner } from './link-pipe.ts'
import { onTeardown } from './teardown.ts'

export type { LinkAction, LinkConnection, LinkHook, LinkPattern, Moment } from './link-hooks.ts'

/** Seen from the client: `up` = what it sends. */
export type Direction = Way | 'both'

export interface HookOptions {
  /** `sent` for what goes up, `before` for what comes down. */
  readonly at?: Moment
  /** How many matches run the action; 1. */
  readonly times?: number
}

/** A TCP proxy in front of a server that can do what networks do. It is closed when the test file is over. */
export interface Link {
  readonly host: string
  readonly port: number
  /** Connections that the client has not ended. */
  readonly connections: number
  readonly totalConnections: number
  /** `<scheme>://127.0.0.1:<port>` */
  url(scheme: string): string
  /** Destroys all connections and refuses new ones (ECONNREFUSED). */
  cut(): Promise<void>
  /** Accepts again, on the same port. */
  restore(): Promise<void>
  /**
   * Half-open: nothing is passed on any more, ends of connections included; all sockets stay open and new ones are
   * accepted. What is sent meanwhile is taken, up to 8 MiB per connection.
   */
  hold(direction?: Direction): void
  /** Ends `hold`; what was held is delivered, in order. */
  release(direction?: Direction): void
  /** Destroys the present connections once. */
  drop(): void
  /** Each chunk from now on arrives so much later; 0 = off. */
  delay(ms: number, direction?: Direction): void
  /** Passes on so few bytes at a time; Infinity = off. */
  trickle(bytesPerTick: number, tickMs?: number, direction?: Direction): void
  /**
   * Runs an action when the client has sent the pattern. A match may lie across chunks; by default it was passed on, to
   * the end of its chunk, and no answer comes through before the action is done.
   */
  onUpstream(pattern: LinkPattern, action: LinkAction, options?: HookOptions): LinkHook
  /** The same for what the server sends; by default the match and what follows is not yet passed on. */
  onDownstream(pattern: LinkPattern, action: LinkAction, options?: HookOptions): LinkHook
  /** Idempotent. @throws AggregateError when actions failed */
  close(): Promise<void>
}

/** Opens a link to a server that need not be there yet. */
export async function openLink(target: { host?: string; port: number }): Promise<Link> {
  const { host = '127.0.0.1', port } = target
  for (let attempt = 1; ; attempt++) {
    const link = new TcpLink(await freePort(), host, port)
    try {
      await link.restore()
    } catch (error) {
      if (attempt < 5) continue
      throw error
    }
    onTeardown(() => link.close())
    return link
  }
}

class TcpLink implements Link {
  readonly host = '127.0.0.1'
  readonly port: number
  readonly #targetHost: string
  readonly #targetPort: number
  readonly #up: Flow = { way: 'up', held: false, delayMs: 0, trickle: undefined }
  readonly #down: Flow = { way: 'down', held: false, delayMs: 0, trickle: undefined }
  readonly #hooks = new Set<Hook>()
  readonly #connections = new Set<Connection>()
  readonly #errors: unknown[] = []
  #server: Server | undefined
  #total = 0

  constructor(port: number, targetHost: string, targetPort: number) {
    this.port = port
    this.#targetHost = targetHost
    this.#targetPort = targetPort
  }

  get connections(): number {
    let open = 0
    for (const connection of this.#connections) if (connection.wanted) open++
    return open
  }

  get totalConnections(): number {
    return this.#total
  }

  url(scheme: string): string {
    return `${scheme}://${this.host}:${this.port}`
  }

  async cut(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
    this.drop()
    await closed
  }

  async restore(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.#accept(client)
    })
    this.#server = server
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        this.#server = undefined
        reject(error)
      })
      server.listen({ port: this.port, host: this.host, exclusive: true }, resolve)
    })
  }

  hold(direction: Direction = 'both'): void {
    for (const flow of this.#flows(direction)) flow.held = true
  }

  release(direction: Direction = 'both'): void {
    for (const flow of this.#flows(direction)) flow.held = false
    this.#pump()
  }

  drop(): void {
    for (const connection of this.#connections) connection.drop()
  }

  delay(ms: number, direction: Direction = 'both'): void {
    for (const flow of this.#flows(direction)) flow.delayMs = ms
  }

  trickle(bytesPerTick: number, tickMs = 1, direction: Direction = 'both'): void {
    const trickle = bytesPerTick === Infinity ? undefined : { bytes: bytesPerTick, tickMs }
    for (const flow of this.#flows(direction)) flow.trickle = trickle
    this.#pump()
  }

  onUpstream(pattern: LinkPattern, action: LinkAction, options: HookOptions = {}): LinkHook {
    return this.#addHook(new Hook('up', options.at ?? 'sent', pattern, action, options.times ?? 1))
  }

  onDownstream(pattern: LinkPattern, action: LinkAction, options: HookOptions = {}): LinkHook {
    return this.#addHook(
      new Hook('down', options.at ?? 'before', pattern, action, options.times ?? 1),
    )
  }

  async close(): Promise<void> {
    await this.cut()
    const errors = this.#errors.splice(0)
    if (errors.length > 0) throw new AggregateError(errors, 'actions of a link failed')
  }

  #addHook(hook: Hook): Hook {
    this.#hooks.add(hook)
    return hook
  }

  #accept(client: Socket): void {
    const connection = new Connection(
      ++this.#total,
      client,
      connect({
        host: this.#targetHost,
        port: this.#targetPort,
        allowHalfOpen: true,
        noDelay: true,
      }),
      { up: this.#up, down: this.#down, hooks: this.#hooks, errors: this.#errors },
    )
    this.#connections.add(connection)
    void connection.closed.then(() => this.#connections.delete(connection))
  }

  #flows(direction: Direction): readonly Flow[] {
    if (direction === 'both') return [this.#up, this.#down]
    return [direction === 'up' ? this.#up : this.#down]
  }

  #pump(): void {
    for (const connection of this.#connections) connection.pump()
  }
}

class Connection implements LinkConnection, PipeOwner {
  readonly number: number
  readonly hooks: Iterable<Hook>
  /** Both sockets are closed. */
  readonly closed: Promise<unknown>
  readonly #client: Socket
  readonly #server: Socket
  readonly #up: Pipe
  readonly #down: Pipe
  readonly #errors: unknown[]
  #wanted = true

  constructor(
    number: number,
    client: Socket,
    server: Socket,
    link: { up: Flow; down: Flow; hooks: Iterable<Hook>; errors: unknown[] },
  ) {
    this.number = number
    this.hooks = link.hooks
    this.#errors = link.errors
    this.#client = client
    this.#server = server
    this.closed = Promise.all([closing(client), closing(server)])
    const unwanted = (): void => {
      this.#wanted = false
    }
    client.once('end', unwanted).once('close', unwanted)
    this.#up = new Pipe(client, server, link.up, this)
    this.#down = new Pipe(server, client, link.down, this)
  }

  /** The client has not ended it. */
  get wanted(): boolean {
    return this.#wanted
  }

  drop(): void {
    this.#client.destroy()
    this.#server.destroy()
  }

  pump(): void {
    this.#up.pump()
    this.#down.pump()
  }

  async run(hook: Hook, first?: Promise<void>): Promise<void> {
    this.#up.block()
    this.#down.block()
    try {
      await first
      await hook.run(this)
    } catch (error) {
      this.#errors.push(error)
    }
    this.#up.unblock()
    this.#down.unblock()
  }

  runAtAnswer(hook: Hook, way: Way): void {
    const other = way === 'up' ? this.#down : this.#up
    other.expectAnswer(hook)
  }
}

function closing(socket: Socket): Promise<void> {
  // A listener is needed; what counts is the 'close' that follows.
  socket.on('error', () => {})
  return new Promise((resolve) => {
    socket.once('close', () => resolve())
  })
}
