import type { Observable, Subscription } from 'rxjs'
import type { ChangeEvent, KeyVal } from './change-event.ts'
import type { Prefix } from './model.ts'
import type { ResyncEvent } from './resync-event.ts'
import type { RegistrationStatus } from './status.ts'

export interface WatchOptions {
  /** `all` (default): every change is queued; `latest`: one pending change per key (C8). */
  readonly delivery?: 'all' | 'latest'
  /** After a refused CHANGE (C7): `resync` (default), `retry` the event, or `continue` with the next. */
  readonly onRefusal?: 'resync' | 'retry' | 'continue'
  /** Repetitions of one event under `retry`, then RESYNC; 3. */
  readonly maxRetries?: number
  /** Until `done` (C6), in ms: change 2 000, resync 10 000; 0 = never. */
  readonly doneTimeoutMs?: { readonly change?: number; readonly resync?: number }
  /** Queued changes before a RESYNC takes their place (C8); 10 000. */
  readonly queueLimit?: number
  /** The same in bytes of values; 64 MiB. */
  readonly queueBytes?: number
  /** From {@link WatchRegistration.checkpoint}: go on there without a RESYNC where the transport can (C1). */
  readonly resume?: Checkpoint
}

/** JSON-safe: the last acknowledged position and what the receiver held there. */
export interface Checkpoint {
  readonly format: 1
  readonly transport: string
  readonly prefixes: readonly string[]
  readonly parts: readonly CheckpointPart[]
}

export interface CheckpointPart {
  readonly prefixes: readonly string[]
  readonly position: string
  /** key, base64 of the value, revision, version */
  readonly pairs: readonly (readonly [
    key: string,
    value: string,
    revision: number,
    version: string,
  ])[]
}

/** A handler of {@link WatchRegistration.handle}; the event is done when it returns or resolves, refused when it throws. */
export interface Handlers {
  readonly resync?: (event: ResyncEvent) => unknown
  readonly change?: (event: ChangeEvent) => unknown
}

export interface KeyValProtoWatcher {
  /**
   * Subscribes to everything under the prefixes: first a RESYNC, then CHANGEs (C1).
   * @throws InvalidKeyError, InvalidOptionError, AlreadyRegisteredError, UnsupportedOptionError, ClosedError
   */
  watch(
    resyncName: string,
    prefixes: Prefix | readonly Prefix[],
    options?: WatchOptions,
  ): WatchRegistration
}

/** One named subscription. Its streams are multicast, never error and complete at close. */
export interface WatchRegistration extends AsyncDisposable {
  readonly name: string
  readonly prefixes: readonly string[]
  /** In delivery order, one at a time (C6). */
  readonly events$: Observable<ResyncEvent | ChangeEvent>
  readonly resyncs$: Observable<ResyncEvent>
  readonly changes$: Observable<ChangeEvent>
  /** The current one first. */
  readonly status$: Observable<RegistrationStatus>
  readonly status: RegistrationStatus
  /** Answers every event with what the handlers do; without RxJS. */
  handle(handlers: Handlers): Subscription
  /** Adds a prefix: a RESYNC (`prefix-changed`) follows; resolves when accepted. A known one is a no-op. */
  register(prefix: Prefix): Promise<void>
  /** Takes a prefix away, without an event. */
  unregister(prefix: Prefix): Promise<void>
  /** Undefined while nothing acknowledged could be resumed from. */
  checkpoint(): Checkpoint | undefined
  /** Nothing is emitted afterwards (C11). */
  close(): Promise<void>
}

export interface KeyValReader {
  /** @throws InvalidKeyError, TransportUnavailableError, ClosedError */
  get(key: string): Promise<KeyVal | undefined>
  /** The pairs under the prefix, keys ascending. */
  list(prefix: Prefix): AsyncIterable<KeyVal>
}
