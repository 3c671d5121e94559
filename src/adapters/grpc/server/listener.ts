import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

/** Where a server listens. */
export interface BoundAddress {
  readonly address: string
  readonly port: number
}

/**
 * Accepts connections and knows them by their peer, as the driver names it: it cannot end a call whose client takes
 * nothing.
 */
export class Listener {
  readonly #server: Server
  readonly #sockets = new Map<string, Socket>()

  constructor(maxConnections: number, onSocket: (socket: Socket) => void) {
    this.#server = createServer({ noDelay: true }, (socket) => {
      const peer = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`
      this.#sockets.set(peer, socket)
      socket.once('close', () => this.#sockets.delete(peer))
      // What goes wrong is told by 'close'; the driver looks after the rest.
      socket.on('error', () => {})
      onSocket(socket)
    })
    this.#server.maxConnections = maxConnections
  }

  get connections(): number {
    return this.#sockets.size
  }

  /** @throws Error of `node:net`, such as EADDRINUSE */
  listen(host: string, port: number): Promise<BoundAddress> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => {
        this.#server.removeListener('error', reject)
        const { address, port: bound } = this.#server.address() as AddressInfo
        resolve({ address, port: bound })
      })
    })
  }

  /** Ends the connection of a peer at once. */
  cut(peer: string): void {
    this.#sockets.get(peer)?.destroy()
  }

  /** Takes no further connection. */
  stop(): void {
    this.#server.close()
  }

  /** Ends all connections at once; resolves when they are gone. */
  async destroy(): Promise<void> {
    for (const socket of this.#sockets.values()) socket.destroy()
    if (!this.#server.listening && this.#sockets.size === 0) return
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }
}
