import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import { connect } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { ChannelCredentials } from '@grpc/grpc-js'
import type { Endpoint } from '../kit/server-url.ts'

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>

/**
 * A channel's credentials that see its sockets. gRPC tells neither the code of a TLS error, nor whether bytes arrive, and
 * leaves the socket of a half-open link open at its close.
 */
export class TrackedCredentials extends ChannelCredentials {
  readonly #endpoint: Endpoint
  readonly #tls: ConnectionOptions | undefined
  readonly #plain: ChannelCredentials = ChannelCredentials.createInsecure()
  readonly #sockets = new Set<Socket>()
  #sealed = false
  #failure: unknown

  constructor(endpoint: Endpoint, tls: ConnectionOptions | undefined) {
    super()
    this.#endpoint = endpoint
    this.#tls = tls
  }

  /** Why TLS failed, with Node's code; a server may refuse a client's certificate after the handshake (TLS 1.3). */
  get failure(): unknown {
    return this.#failure
  }

  /** All bytes received so far: growth proves life, also in the middle of a long answer. */
  get bytesRead(): number {
    let bytes = 0
    for (const socket of this.#sockets) bytes += socket.bytesRead
    return bytes
  }

  /** From now on no further socket is taken: a lost connection stays lost. */
  seal(): void {
    this.#sealed = true
  }

  destroySockets(): void {
    this.#sealed = true
    for (const socket of this.#sockets) socket.destroy()
  }

  override _isSecure(): boolean {
    return this.#tls !== undefined
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this
  }

  override _createSecureConnector(
    ...args: Parameters<ChannelCredentials['_createSecureConnector']>
  ): Connector {
    const connector = this.#plain._createSecureConnector(...args)
    return {
      connect: async (socket) => {
        this.#assertWanted()
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
        try {
          if (this.#tls === undefined) return await connector.connect(socket)
          const onError = (error: unknown): void => {
            this.#failure ??= error
          }
          const secure = await secured(socket, this.#endpoint, this.#tls, onError)
          return { socket: secure, secure: true }
        } catch (error) {
          this.#failure ??= error
          throw error
        }
      },
      // Comes before the socket is made. A closed channel may still want one, after its back-off.
      waitForReady: async () => {
        this.#assertWanted()
        await connector.waitForReady()
      },
      getCallCredentials: () => connector.getCallCredentials(),
      destroy: () => connector.destroy(),
    }
  }

  #assertWanted(): void {
    if (this.#sealed) throw new Error('the connection is not made again')
  }
}

/** @throws Error of `node:tls` with its code */
function secured(
  socket: Socket,
  { host }: Endpoint,
  tls: ConnectionOptions,
  onError: (error: unknown) => void,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const secure = connect({
      host,
      // A name that is an address is not allowed (RFC 6066).
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...tls,
      socket,
      ALPNProtocols: ['h2'],
    })
    secure.on('error', onError)
    secure.once('error', reject)
    secure.once('close', () => reject(new Error('the server has closed the connection')))
    secure.once('secureConnect', () => {
      secure.removeListener('error', reject)
      resolve(secure)
    })
  })
}
