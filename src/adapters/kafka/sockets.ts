import { connect, isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

const KEEP_ALIVE_MS = 30_000

/**
 * The sockets of one client, so that they can be ended at once: kafkajs would wait for answers first, and a held link
 * gives none.
 */
export class Sockets {
  readonly #open = new Set<Socket>()
  #closed: Error | undefined

  /** Given to kafkajs. */
  readonly factory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.#closed !== undefined) throw this.#closed
    const servername = isIP(host) === 0 ? { servername: host } : {}
    // `ssl` is null for a plain connection, whatever its type says.
    const socket =
      (ssl as typeof ssl | null) === null
        ? connect({ host, port }, onConnect)
        : connectTls({ host, port, ...servername, ...ssl }, onConnect)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.setNoDelay(true)
    this.#open.add(socket)
    socket.once('close', () => this.#open.delete(socket))
    return socket
  }

  /** Ends all, and whatever is asked for later; requests under way fail. */
  destroy(reason: Error): void {
    this.#closed ??= reason
    for (const socket of this.#open) socket.destroy(reason)
  }
}
