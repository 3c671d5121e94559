import { Subscription } from 'rxjs'
import type { Observable } from 'rxjs'
import type { ChangeEvent } from '../api/change-event.ts'
import type { ResyncEvent } from '../api/resync-event.ts'
import type { Handlers } from '../api/watcher.ts'
import { nextTask } from '../kit/next-task.ts'
import { EventStream } from './event-stream.ts'

export type SyncEvent = ResyncEvent | ChangeEvent
type Kind = SyncEvent['kind']

/** One subscriber: what it wants and how it is told. */
interface Receiver {
  readonly resync: boolean
  readonly change: boolean
  /** False once its subscription has ended: it may be told nothing more, also of an event that others get now. */
  active: boolean
  next(event: SyncEvent): void
  complete(): void
}

/** Whose receivers they are: the registration. */
export interface ReceiversOwner {
  /** In the task after the first subscription. */
  begun(): void
  /** Nobody is left who wants events of this kind. */
  abandoned(kind: Kind): void
}

/** Who is subscribed to a registration, in whichever way. */
export class Receivers {
  readonly events$: Observable<SyncEvent> = this.#stream<SyncEvent>(true, true)
  readonly resyncs$: Observable<ResyncEvent> = this.#stream<ResyncEvent>(true, false)
  readonly changes$: Observable<ChangeEvent> = this.#stream<ChangeEvent>(false, true)
  readonly #owner: ReceiversOwner
  #all: readonly Receiver[] = []
  /** By kind, so that an event need not look for who wants it. */
  #wanting: Readonly<Record<Kind, readonly Receiver[]>> = { resync: [], change: [] }
  #begun = false
  #completed = false

  constructor(owner: ReceiversOwner) {
    this.#owner = owner
  }

  /** Delivery may begin. */
  get begun(): boolean {
    return this.#begun
  }

  get any(): boolean {
    return this.#all.length > 0
  }

  wants(kind: Kind): boolean {
    return this.#wanting[kind].length > 0
  }

  /** Who is to be told, at this moment, as long as they are `active`. */
  of(kind: Kind): readonly Receiver[] {
    return this.#wanting[kind]
  }

  /** Answers for the handlers, without RxJS in between. */
  handle(handlers: Handlers): Subscription {
    return this.#add({
      resync: handlers.resync !== undefined,
      change: handlers.change !== undefined,
      active: true,
      next: (event) => {
        const result: unknown =
          event.kind === 'resync' ? handlers.resync?.(event) : handlers.change?.(event)
        if (!isPromiseLike(result)) {
          event.done()
          return
        }
        result.then(
          () => event.done(),
          (error: unknown) => event.done(error ?? new Error('rejected without a reason')),
        )
      },
      complete: () => {},
    })
  }

  complete(): void {
    this.#completed = true
    const all = this.#all
    this.#set([])
    for (const receiver of all) {
      receiver.active = false
      receiver.complete()
    }
  }

  #stream<T extends SyncEvent>(resync: boolean, change: boolean): Observable<T> {
    return new EventStream<T>(
      (subscriber) => {
        if (this.#completed) {
          subscriber.complete()
          return () => {}
        }
        const subscription = this.#add({
          resync,
          change,
          active: true,
          next: (event) => subscriber.next(event as T),
          complete: () => subscriber.complete(),
        })
        return () => subscription.unsubscribe()
      },
      (event, error) => event.done(error ?? new Error('thrown without a reason')),
    )
  }

  #add(receiver: Receiver): Subscription {
    if (this.#completed) return Subscription.EMPTY
    this.#set([...this.#all, receiver])
    if (!this.#begun) nextTask(() => this.#begin())
    return new Subscription(() => this.#remove(receiver))
  }

  #set(all: readonly Receiver[]): void {
    this.#all = all
    this.#wanting = {
      resync: all.filter((receiver) => receiver.resync),
      change: all.filter((receiver) => receiver.change),
    }
  }

  #begin(): void {
    if (this.#begun || this.#all.length === 0) return
    this.#begun = true
    this.#owner.begun()
  }

  #remove(receiver: Receiver): void {
    receiver.active = false
    this.#set(this.#all.filter((known) => known !== receiver))
    if (this.#all.length === 0) this.#begun = false
    for (const kind of ['resync', 'change'] as const) {
      if (receiver[kind] && !this.wants(kind) && !this.#completed) this.#owner.abandoned(kind)
    }
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    'then' in value &&
    typeof value.then === 'function'
  )
}
