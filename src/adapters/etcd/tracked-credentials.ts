import type { Socket } from 'node:net'
import { createSecureContext } from 'node:tls'
import { ChannelCredentials } from '@grpc/grpc-js'
import type { EtcdTlsOptions } from './options.ts'

type Connector = ReturnType<ChannelCredentials['_createSecureConnector']>

/**
 * A channel's credentials that see its sockets. gRPC tells neither the code of a TLS error, nor whether bytes arrive, and
 * leaves the socket of a half-open link open at its close.
 */
export class TrackedCredentials extends ChannelCredentials {
  readonly #inner: ChannelCredentials
  readonly #sockets = new Set<Socket>()
  #sealed = false
  #failure: unknown

  constructor(tls: EtcdTlsOptions | undefined) {
    super()
    this.#inner = tls === undefined ? ChannelCredentials.createInsecure() : secure(tls)
  }

  /** Why TLS failed, with Node's code. */
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
    return this.#inner._isSecure()
  }

  override _equals(other: ChannelCredentials): boolean {
    return other === this
  }

  override _createSecureConnector(
    ...args: Parameters<ChannelCredentials['_createSecureConnector']>
  ): Connector {
    const connector = this.#inner._createSecureConnector(...args)
    return {
      connect: async (socket) => {
        this.#assertWanted()
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
        try {
          return await connector.connect(socket)
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

/** @throws Error of `node:tls` for what is no certificate or key */
function secure(tls: EtcdTlsOptions): ChannelCredentials {
  const { ca, cert, key, passphrase, rejectUnauthorized, checkServerIdentity } = tls
  const context = createSecureContext({ ca, cert, key, passphrase })
  return ChannelCredentials.createFromSecureContext(context, {
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
    ...(checkServerIdentity === undefined ? {} : { checkServerIdentity }),
  })
}
