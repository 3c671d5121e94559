import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TlsOptions } from 'node:tls'

/** Where a server listens. */
export interface BoundAddress {
  readonly address: string
  readonly port: number
}

export interface ListenerOptions {
  readonly maxConnections: number
  /** Without it connections are plain. */
  readonly tls: TlsOptions | undefined
  /** A TLS handshake that takes longer ends its connection (the driver would wait two minutes). */
  readonly handshakeTimeoutMs: number
}

/**
 * Accepts connections, TLS included, and knows them by their peer, as the driver names it: it cannot end a call whose
 * client takes nothing.
 */
export class Listener {
  readonly #server: Server
  readonly #sockets = new Map<string, Socket>()

  /** `onSocket` gets what is ready for HTTP/2. */
  constructor(options: ListenerOptions, onSocket: (socket: Socket) => void) {
    const { maxConnections, tls, handshakeTimeoutMs: handshakeTimeout } = options
    this.#server =
      tls === undefined
        ? createServer({ noDelay: true }, onSocket)
        : createTlsServer(
            { ...tls, noDelay: true, handshakeTimeout, ALPNProtocols: ['h2'] },
            onSocket,
          )
    this.#server.on('tlsClientError', (_error, socket: Socket) => socket.destroy())
    // Of TLS also what is not yet through its handshake.
    this.#server.on('connection', (socket: Socket) => {
      const peer = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`
      this.#sockets.set(peer, socket)
      socket.once('close', () => {
        // A client that comes again from the same port may be here before its old connection is gone.
        if (this.#sockets.get(peer) === socket) this.#sockets.delete(peer)
      })
      // What goes wrong is told by 'close'; the driver looks after the rest.
      socket.on('error', () => {})
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
