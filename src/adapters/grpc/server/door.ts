import { status } from '@grpc/grpc-js'
import type { Metadata, ServerErrorResponse } from '@grpc/grpc-js'
import { isSyncError } from '../../../api/errors.ts'
import type { Served } from '../../../api/served.ts'
import { accessControl, certificateNames } from '../../../serving/access.ts'
import type { Client, Credentials, Identify } from '../../../serving/access.ts'
import { RequestRate } from '../../../serving/request-rate.ts'
import { WatcherSlots } from '../../../serving/watcher-slots.ts'
import { failureOf } from '../../../kit/failure.ts'
import { failureMetadata, statusText } from '../failure-metadata.ts'
import { statusOf } from '../status-codes.ts'
import type { GrpcServerSettings } from './options.ts'
import { CallError } from './wire.ts'

/** What of a call says who makes it. */
export interface Caller {
  readonly metadata: Metadata
  getPeer(): string
  getAuthContext(): { readonly sslPeerCertificate?: object }
}

/** Who is let in, how often, and how they are told that something went wrong. */
export class Door {
  readonly #identify: Identify
  readonly #served: Served
  readonly #anonymous: boolean
  readonly #rate: RequestRate
  /** Of strangers, by address: apart, lest one uses up what a client of that name has. */
  readonly #strangers: RequestRate
  readonly #slots: WatcherSlots

  constructor(settings: GrpcServerSettings, served: Served) {
    const { requestsPerSecond, maxWatchers, maxWatchersPerClient } = settings.limits
    this.#rate = new RequestRate(requestsPerSecond)
    this.#strangers = new RequestRate(requestsPerSecond)
    this.#slots = new WatcherSlots({ all: maxWatchers, perClient: maxWatchersPerClient })
    this.#served = served
    this.#identify = accessControl(settings.access, served.prefixes)
    this.#anonymous = settings.access === undefined
  }

  /** Everybody may call. */
  get isOpen(): boolean {
    return this.#anonymous
  }

  knows(caller: Caller): boolean {
    return this.#identify(credentialsOf(caller)) !== undefined
  }

  /** What a stranger's call is ended with. */
  async turnAway(caller: Caller): Promise<{ readonly code: status; readonly details: string }> {
    const waitMs = await this.#strangers.take(addressOf(caller))
    return waitMs === undefined
      ? { code: status.UNAUTHENTICATED, details: 'the credentials are missing or unknown' }
      : { code: status.RESOURCE_EXHAUSTED, details: `too many calls; again in ${waitMs} ms` }
  }

  /** By whom calls and watches are counted: the grant, or the address where there are none. */
  nameOf(client: Client, caller: Caller): string {
    return this.#anonymous ? addressOf(caller) : client.name
  }

  /** @throws CallError (`UNAUTHENTICATED`, `RESOURCE_EXHAUSTED`) */
  async admit(caller: Caller): Promise<Client> {
    const client = this.#identify(credentialsOf(caller))
    if (client === undefined) {
      const { code, details } = await this.turnAway(caller)
      throw new CallError(code, details)
    }
    const waitMs = await this.#rate.take(this.nameOf(client, caller))
    if (waitMs === undefined) return client
    throw new CallError(status.RESOURCE_EXHAUSTED, `too many calls; again in ${waitMs} ms`)
  }

  /** Counts a watch; the returned function ends it. @throws CallError (`RESOURCE_EXHAUSTED`) */
  beginWatch(client: Client, caller: Caller): () => void {
    const slot = this.#slots.take(this.nameOf(client, caller))
    if (typeof slot === 'string') {
      throw new CallError(status.RESOURCE_EXHAUSTED, 'too many watches')
    }
    const gone = this.#served.watching('grpc')
    return () => {
      slot()
      gone()
    }
  }

  get watches(): number {
    return this.#slots.size
  }

  /** What a call is ended with. What nobody foresaw is logged, not told. */
  refusal(error: unknown): Partial<ServerErrorResponse> {
    if (error instanceof CallError) {
      return { code: error.status, details: statusText(error.message) }
    }
    if (!isSyncError(error)) {
      this.#served.io.logger.error({ err: error }, 'a gRPC call failed')
    }
    const failure = failureOf(error)
    return {
      code: statusOf(error),
      details: statusText(failure.message),
      metadata: failureMetadata(error, failure),
    }
  }
}

function credentialsOf(caller: Caller): Credentials {
  const [authorization] = caller.metadata.get('authorization')
  const token = /^Bearer (?<token>.+)$/iu.exec(String(authorization ?? ''))?.groups?.['token']
  const certificate = caller.getAuthContext().sslPeerCertificate
  return {
    token,
    certificateNames: certificate === undefined ? [] : certificateNames(certificate),
  }
}

function addressOf(caller: Caller): string {
  return caller.getPeer().replace(/:\d+$/u, '')
}
