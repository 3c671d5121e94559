import { setMaxListeners } from 'node:events'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import type { ServerOptions } from '@grpc/grpc-js'
import type { TlsOptions } from 'node:tls'
import type { Served } from '../../../api/served.ts'
import { isLoopback } from '../../../serving/access.ts'
import { assertCertificates } from '../../../serving/certificates.ts'
import { DATAMSG } from '../datamsg-schema.ts'
import { DATASYNC } from '../watch-schema.ts'
import { BatchFrames } from './batch-frames.ts'
import { Contents } from './content.ts'
import type { Context } from './context.ts'
import { Door } from './door.ts'
import { gate } from './gate.ts'
import { Health } from './health.ts'
import { Listener } from './listener.ts'
import type { BoundAddress } from './listener.ts'
import { OpenStreams } from './open-services.ts'
import type { GrpcServerSettings } from './options.ts'
import { addReflection } from './reflection.ts'
import { addServices } from './services.ts'

/** An agent that is served over gRPC. */
export interface GrpcServer extends AsyncDisposable {
  /** For clients of this machine: `grpc://127.0.0.1:9111`, with TLS `grpcs://…`. */
  readonly url: string
  readonly address: string
  readonly port: number
  /** Open connections. */
  readonly connections: number
  /** Open watches. */
  readonly watches: number
  /**
   * Idempotent. Takes nothing new, ends watches with UNAVAILABLE, lets calls under way end for a while; afterwards no
   * socket and no timer is left.
   */
  close(): Promise<void>
}

export class RunningServer implements GrpcServer {
  readonly #settings: GrpcServerSettings
  readonly #served: Served
  readonly #server: Server
  readonly #listener: Listener
  readonly #health: Health
  readonly #door: Door
  readonly #streams = new OpenStreams()
  readonly #ending = new AbortController()
  readonly #onAgentClosed = (): void => void this.close()
  #bound: BoundAddress = { address: '', port: 0 }
  #closing: Promise<void> | undefined

  constructor(settings: GrpcServerSettings, served: Served) {
    this.#settings = settings
    this.#served = served
    this.#door = new Door(settings, served)
    this.#server = new Server({ ...driverOptions(settings), interceptors: [gate(this.#door)] })
    // The listener does TLS; the driver asks its sockets for certificates all the same.
    const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure())
    const { maxConnections, keepaliveTimeoutMs } = settings
    const tls = tlsOf(settings)
    this.#listener = new Listener(
      { maxConnections, tls, handshakeTimeoutMs: keepaliveTimeoutMs },
      (socket) => injector.injectConnection(socket),
    )
    // Each open stream listens to it.
    setMaxListeners(0, this.#ending.signal)
    const context: Context = {
      settings,
      served,
      door: this.#door,
      contents: new Contents(settings.models, served.transport),
      frames: new BatchFrames(),
      cut: (caller) => this.#listener.cut(caller.getPeer()),
      closing: this.#ending.signal,
    }
    addServices(this.#server, context)
    this.#health = new Health(
      served,
      [DATAMSG, DATASYNC].map((table) => `${table.package}.${table.service}`),
    )
    this.#health.addToServer(this.#server, this.#streams)
    if (settings.reflection) addReflection(this.#server, this.#streams)
  }

  get url(): string {
    const { address, port } = this.#bound
    const host = address.includes(':') ? `[${address}]` : address
    return `${this.#settings.tls === undefined ? 'grpc' : 'grpcs'}://${host}:${port}`
  }

  get address(): string {
    return this.#bound.address
  }

  get port(): number {
    return this.#bound.port
  }

  get connections(): number {
    return this.#listener.connections
  }

  get watches(): number {
    return this.#door.watches
  }

  /** @throws Error of `node:net`, such as EADDRINUSE; then nothing is left */
  async listen(): Promise<void> {
    const { host, port, tls, access } = this.#settings
    const { signal, logger } = this.#served.io
    try {
      this.#bound = await this.#listener.listen(host, port)
    } catch (error) {
      await this.close()
      throw error
    }
    if (tls === undefined && access !== undefined && !isLoopback(host)) {
      logger.warn({ host }, 'gRPC without TLS: tokens and values can be read on the way')
    }
    if (signal.aborted) this.#onAgentClosed()
    else signal.addEventListener('abort', this.#onAgentClosed, { once: true })
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #end(): Promise<void> {
    this.#served.io.signal.removeEventListener('abort', this.#onAgentClosed)
    this.#health.stop()
    this.#streams.close()
    this.#listener.stop()
    this.#ending.abort()
    await new Promise<void>((resolve) => {
      // The agent's clock may be a test's: this is about real sockets.
      const limit = setTimeout(resolve, this.#settings.closeTimeoutMs)
      this.#server.tryShutdown(() => {
        clearTimeout(limit)
        resolve()
      })
    })
    this.#server.forceShutdown()
    await this.#listener.destroy()
  }
}

function driverOptions(settings: GrpcServerSettings): ServerOptions {
  return {
    'grpc.max_receive_message_length': settings.limits.maxBodyBytes,
    'grpc.max_send_message_length': settings.maxSendBytes,
    'grpc.max_concurrent_streams': settings.maxCallsPerConnection,
    'grpc.keepalive_time_ms': settings.keepaliveMs,
    'grpc.keepalive_timeout_ms': settings.keepaliveTimeoutMs,
    'grpc.enable_channelz': 0,
    ...(settings.maxConnectionAgeMs === undefined
      ? {}
      : {
          'grpc.max_connection_age_ms': settings.maxConnectionAgeMs,
          'grpc.max_connection_age_grace_ms': settings.closeTimeoutMs,
        }),
  }
}

/** @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
function tlsOf({ tls }: GrpcServerSettings): TlsOptions | undefined {
  if (tls === undefined) return undefined
  assertCertificates(tls)
  const { cert, key, ca, rejectUnauthorized = true } = tls
  return { cert, key, ...(ca === undefined ? {} : { ca, requestCert: true, rejectUnauthorized }) }
}
