import { combineLatest, map, merge, Subscription } from 'rxjs'
import type { Observable } from 'rxjs'
import type { ChangeEvent } from '../api/change-event.ts'
import { InvalidOptionError } from '../api/errors.ts'
import type { Prefix } from '../api/model.ts'
import type { ResyncEvent } from '../api/resync-event.ts'
import type { RegistrationState, RegistrationStatus } from '../api/status.ts'
import type { Checkpoint, Handlers, WatchRegistration } from '../api/watcher.ts'
import { EventStream } from './event-stream.ts'

/** The state that most needs a look comes first. */
const BY_CONCERN: readonly RegistrationState[] = [
  'backing-off',
  'stale',
  'waiting',
  'resyncing',
  'live',
  'closed',
]

/**
 * Several registrations as one: their streams merged, RESYNCs not united, closed together. `register` and `unregister`
 * go to all of them; checkpoints are the parts' own.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) when there is none
 */
export function aggregate(
  registrations: readonly WatchRegistration[],
  options: { name?: string } = {},
): WatchRegistration {
  if (registrations.length === 0) throw new InvalidOptionError('registrations', 'is empty')
  return new Aggregate([...registrations], options.name)
}

class Aggregate implements WatchRegistration {
  readonly name: string
  readonly #parts: readonly WatchRegistration[]
  readonly events$: Observable<ResyncEvent | ChangeEvent>
  readonly resyncs$: Observable<ResyncEvent>
  readonly changes$: Observable<ChangeEvent>
  readonly status$: Observable<RegistrationStatus>

  constructor(parts: readonly WatchRegistration[], name: string | undefined) {
    this.#parts = parts
    this.name = name ?? parts.map((part) => part.name).join('+')
    this.events$ = merged(parts.map((part) => part.events$))
    this.resyncs$ = merged(parts.map((part) => part.resyncs$))
    this.changes$ = merged(parts.map((part) => part.changes$))
    this.status$ = combineLatest(parts.map((part) => part.status$)).pipe(map(unite))
  }

  get prefixes(): readonly string[] {
    return [...new Set(this.#parts.flatMap((part) => part.prefixes))]
  }

  get status(): RegistrationStatus {
    return unite(this.#parts.map((part) => part.status))
  }

  handle(handlers: Handlers): Subscription {
    const all = new Subscription()
    for (const part of this.#parts) all.add(part.handle(handlers))
    return all
  }

  async register(prefix: Prefix): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.register(prefix)))
  }

  async unregister(prefix: Prefix): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.unregister(prefix)))
  }

  checkpoint(): Checkpoint | undefined {
    return undefined
  }

  async close(): Promise<void> {
    await Promise.all(this.#parts.map((part) => part.close()))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

function merged<E extends ResyncEvent | ChangeEvent>(
  streams: readonly Observable<E>[],
): Observable<E> {
  return new EventStream<E>(
    (subscriber) => {
      const subscription = merge(...streams).subscribe(subscriber)
      return () => subscription.unsubscribe()
    },
    (event, error) => event.done(error ?? new Error('thrown without a reason')),
  )
}

function unite(parts: readonly RegistrationStatus[]): RegistrationStatus {
  const sum = (of: (part: RegistrationStatus) => number): number =>
    parts.reduce((total, part) => total + of(part), 0)
  const latest = parts.reduce((a, b) =>
    (b.lastResync?.at ?? -1) > (a.lastResync?.at ?? -1) ? b : a,
  )
  return {
    state: BY_CONCERN.find((state) => parts.some((part) => part.state === state)) ?? 'closed',
    pending: sum((part) => part.pending),
    pendingBytes: sum((part) => part.pendingBytes),
    inFlight: sum((part) => part.inFlight),
    lagMs: Math.max(...parts.map((part) => part.lagMs)),
    refusals: sum((part) => part.refusals),
    lastError: parts.find((part) => part.lastError !== undefined)?.lastError,
    lastResync: latest.lastResync,
  }
}
