import { setMaxListeners } from 'node:events'
import { ClosedError } from '../../api/errors.ts'
import type { SyncError } from '../../api/errors.ts'
import { PrefixIndex } from '../../kit/prefix-index.ts'
import { abortable } from '../../kit/abortable.ts'
import { reached } from './cluster-view.ts'
import type { Ambient, Connection } from './connection.ts'
import type { Dial } from './dial.ts'
import { translate } from './errors.ts'
import { reducePrefixes } from './glob.ts'
import { decodeKey } from './key-names.ts'
import type { FindNode } from './key-reader.ts'
import { LinkProbe } from './link-probe.ts'
import { NodeSession } from './node-session.ts'
import type { RedisSettings } from './options.ts'
import { endpointName } from '../../kit/server-url.ts'
import type { Endpoint } from '../../kit/server-url.ts'
import { SlotAgreement } from './slot-agreement.ts'
import type { SlotMap } from './slot-map.ts'

/** A stream, as the hub sees it. Its methods must not throw. */
export interface HubMember {
  readonly prefixes: readonly string[]
  /** The key may have changed. */
  mark(key: string): void
  /** Everything may have changed. */
  flushed(): void
  /** All links answered. */
  alive(): void
  /** Slots of the cluster have other owners. */
  slotsMoved(): void
  /** The last call: the links are gone. */
  lost(error: SyncError): void
}

export interface HubOptions {
  readonly settings: RedisSettings
  readonly io: Ambient
  readonly dial: Dial
  /** Which primaries a cluster has. */
  readonly discover: (signal: AbortSignal) => Promise<SlotMap>
  readonly skipped: (what: 'key') => void
  /** Called once, when the hub is of no use any more. */
  readonly ended: () => void
}

/**
 * The connections on which changes are announced, shared by all streams of a transport: as long as one is a member
 * they are held, and any loss ends all streams, since what was announced meanwhile is gone (W8).
 */
export class NotificationHub {
  readonly #options: HubOptions
  readonly #members: PrefixIndex<Set<HubMember>> = new PrefixIndex()
  readonly #joined = new Set<HubMember>()
  readonly #connections = new Set<Connection>()
  readonly #closing: AbortController = new AbortController()
  readonly #started: Promise<void>
  #sessions: ReadonlyMap<string, NodeSession> = new Map()
  #agreement: SlotAgreement | undefined
  #covering: Promise<void> = Promise.resolve()
  #covered: readonly string[] | undefined
  #probe: LinkProbe | undefined
  #ended: SyncError | undefined

  constructor(options: HubOptions) {
    this.#options = options
    // Every connection, join and pause listens to it.
    setMaxListeners(0, this.#closing.signal)
    this.#started = this.#start()
    this.#started.catch((error: unknown) => this.#end(translate(options.settings.name, error)))
  }

  /** By node id. */
  get sessions(): ReadonlyMap<string, NodeSession> {
    return this.#sessions
  }

  /** Undefined without a cluster. */
  get slots(): SlotMap | undefined {
    return this.#agreement?.slots
  }

  /**
   * Resolves when the servers announce the member's prefixes. Whatever comes of it, `leave` has to follow.
   * @throws why the hub could not start or was lost; AccessDeniedError where the prefixes may not be subscribed to
   */
  async join(member: HubMember, signal: AbortSignal): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended
    this.#joined.add(member)
    for (const prefix of member.prefixes) {
      const others = this.#members.get(prefix)
      if (others === undefined) this.#members.set(prefix, new Set([member]))
      else others.add(member)
    }
    try {
      await abortable(this.#cover(), signal)
    } catch (error) {
      if (signal.aborted) throw error
      throw this.#ended ?? translate(this.#options.settings.name, error)
    }
  }

  /** The last one closes the hub. */
  leave(member: HubMember): void {
    this.#joined.delete(member)
    for (const prefix of member.prefixes) {
      const others = this.#members.get(prefix)
      others?.delete(member)
      if (others?.size === 0) this.#members.delete(prefix)
    }
    if (this.#ended !== undefined) return
    if (this.#joined.size === 0) this.#end(new ClosedError(this.#options.settings.name))
    else {
      this.#cover().catch((error: unknown) => {
        const { io, settings } = this.#options
        io.logger.debug(
          { transport: settings.name, err: error },
          'more is announced than is wanted',
        )
      })
    }
  }

  /** The connection to the node that a redirection names; undefined when it is none of ours. */
  readonly nodeAt: FindNode = (address, asked) => {
    const name = endpointName(reached(this.#options.settings, address, asked.endpoint.host))
    const session = [...this.#sessions.values()].find(
      ({ reader }) => endpointName(reader.endpoint) === name,
    )
    return Promise.resolve(session?.reader)
  }

  /** Looks at a cluster anew; members hear of a difference, and of all that was announced before the call. */
  async refresh(): Promise<void> {
    await this.#agreement?.refresh()
  }

  /** Makes sure that the servers still announce changes; resolves with whether one had stopped. */
  async ensureNotifications(): Promise<boolean> {
    const told = await Promise.all(
      [...this.#sessions.values()].map((session) => session.ensureNotifications()),
    )
    return told.includes(true)
  }

  /** Ends all streams. */
  close(): void {
    this.#end(new ClosedError(this.#options.settings.name))
  }

  async #start(): Promise<void> {
    const { settings, io, discover } = this.#options
    const open = (endpoint: Endpoint): Promise<Connection> => this.#open(endpoint)
    const release = (connection: Connection): void => this.#release(connection)
    const sink = {
      changed: (bytes: Buffer, offset: number): void => this.#changed(bytes, offset),
      flushed: (): void => {
        for (const member of this.#joined) member.flushed()
      },
    }
    const options = { settings, io, sink, open, release }
    const nodes = settings.cluster
      ? [...(await discover(this.#closing.signal)).primaries.values()]
      : [{ id: '', endpoint: settings.endpoints[0] as Endpoint }]
    const sessions = await Promise.all(
      nodes.map(({ id, endpoint }) => NodeSession.open(id, endpoint, options)),
    )
    this.#sessions = new Map(sessions.map((session) => [session.id, session]))
    if (settings.cluster) {
      this.#agreement = new SlotAgreement({
        settings,
        io,
        sessions: this.#sessions,
        signal: this.#closing.signal,
        moved: () => {
          for (const member of this.#joined) member.slotsMoved()
        },
      })
      await this.refresh()
    }
    this.#closing.signal.throwIfAborted()
    this.#probe = new LinkProbe({
      clock: io.clock,
      everyMs: settings.livenessMs / 2,
      connections: this.#connections,
      ask: () => this.#ask(),
      alive: () => {
        for (const member of this.#joined) member.alive()
      },
      failed: (error) => this.#end(translate(settings.name, error)),
    })
    this.#probe.start()
  }

  async #open(endpoint: Endpoint): Promise<Connection> {
    const { dial, settings } = this.#options
    const connection = await dial(endpoint, settings.livenessMs, this.#closing.signal)
    if (this.#ended !== undefined) {
      connection.destroy()
      throw this.#ended
    }
    this.#connections.add(connection)
    connection.onLost((error) => {
      if (this.#connections.delete(connection)) this.#end(error)
    })
    return connection
  }

  #release(connection: Connection): void {
    this.#connections.delete(connection)
    connection.destroy()
  }

  #changed(bytes: Buffer, offset: number): void {
    const key = decodeKey(bytes, offset)
    if (key === undefined) {
      this.#options.skipped('key')
      return
    }
    this.#members.match(key, (members) => {
      for (const member of members) member.mark(key)
    })
  }

  /** One at a time; each sees all prefixes that are wanted when its turn comes. */
  #cover(): Promise<void> {
    const turn = this.#covering.then(async () => {
      await this.#started
      if (this.#ended !== undefined) throw this.#ended
      const wanted = reducePrefixes([...this.#joined].flatMap((member) => member.prefixes))
      if (wanted.length === 0 || sameTexts(wanted, this.#covered)) return
      await Promise.all(
        [...this.#sessions.values()].map(({ announcer }) => announcer.cover(wanted)),
      )
      this.#covered = wanted
    })
    this.#covering = turn.catch(() => {
      this.#covered = undefined
    })
    return turn
  }

  async #ask(): Promise<void> {
    await Promise.all([...this.#sessions.values()].map((session) => session.probe()))
    await this.refresh()
  }

  #end(error: SyncError): void {
    if (this.#ended !== undefined) return
    this.#ended = error
    this.#probe?.stop()
    this.#closing.abort(error)
    const connections = [...this.#connections]
    this.#connections.clear()
    for (const connection of connections) connection.destroy()
    for (const member of this.#joined) member.lost(error)
    this.#options.ended()
    const servers = [...new Set(connections.map(({ endpoint }) => endpointName(endpoint)))]
    this.#options.io.logger.debug(
      { transport: this.#options.settings.name, servers, err: error },
      'notifications ended',
    )
  }
}

function sameTexts(a: readonly string[], b: readonly string[] | undefined): boolean {
  return a.length === b?.length && a.every((text, i) => text === b[i])
}
