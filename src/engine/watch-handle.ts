import type { Observable, Subscription } from 'rxjs'
import type { ChangeEvent } from '../api/change-event.ts'
import { ClosedError } from '../api/errors.ts'
import { assertPrefix } from '../api/key.ts'
import { prefixOf } from '../api/model.ts'
import type { Prefix } from '../api/model.ts'
import type { ResyncEvent } from '../api/resync-event.ts'
import type { RegistrationStatus } from '../api/status.ts'
import type { Transport } from '../api/transport.ts'
import type { Checkpoint, Handlers, WatchRegistration } from '../api/watcher.ts'
import type { SyncEvent } from './receivers.ts'
import type { Registration } from './registration.ts'
import { assertWatchable } from './watchable.ts'

/** What the user holds of a registration: checks arguments, and nothing else can be called through it. */
export class WatchHandle implements WatchRegistration {
  readonly #registration: Registration
  readonly #transport: Transport

  constructor(registration: Registration, transport: Transport) {
    this.#registration = registration
    this.#transport = transport
  }

  get name(): string {
    return this.#registration.name
  }

  get prefixes(): readonly string[] {
    return this.#registration.prefixes
  }

  get events$(): Observable<SyncEvent> {
    return this.#registration.receivers.events$
  }

  get resyncs$(): Observable<ResyncEvent> {
    return this.#registration.receivers.resyncs$
  }

  get changes$(): Observable<ChangeEvent> {
    return this.#registration.receivers.changes$
  }

  get status$(): Observable<RegistrationStatus> {
    return this.#registration.status$
  }

  get status(): RegistrationStatus {
    return this.#registration.status
  }

  handle(handlers: Handlers): Subscription {
    return this.#registration.receivers.handle(handlers)
  }

  // Asynchronous only in that a throw becomes a rejection: what they do, they do at once.

  async register(prefix: Prefix): Promise<void> {
    this.#assertOpen()
    const added = prefixOf(prefix)
    assertPrefix(added, this.#transport.capabilities.maxKeyBytes)
    assertWatchable(this.#transport, [added])
    this.#registration.register(added)
  }

  async unregister(prefix: Prefix): Promise<void> {
    this.#assertOpen()
    this.#registration.unregister(prefixOf(prefix))
  }

  checkpoint(): Checkpoint | undefined {
    return this.#registration.checkpoint()
  }

  close(): Promise<void> {
    return this.#registration.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #assertOpen(): void {
    if (this.#registration.closed) throw new ClosedError(`registration ${this.name}`)
  }
}
