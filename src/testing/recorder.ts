import type { ChangeEvent } from '../api/change-event.ts'
import { compareKeys } from '../api/key.ts'
import type { ResyncEvent, ResyncReason } from '../api/resync-event.ts'
import type { WatchRegistration } from '../api/watcher.ts'
import { DeliveryCheck } from './delivery-check.ts'
import type { DeliveryCheckOptions } from './delivery-check.ts'
import { eventually } from './eventually.ts'
import { textOf } from './text.ts'

/** What a receiver says at once: `hold` = nothing yet. */
export type Answer = 'ack' | 'refuse' | 'hold'

export interface RecorderOptions extends DeliveryCheckOptions {
  /** Asked for every event as it comes; `ack`. It may also throw. */
  readonly answer?: (event: Recorded, index: number) => Answer
}

/** An event as it was when it came, in plain text. */
export class Recorded {
  readonly event: ResyncEvent | ChangeEvent
  readonly kind: 'resync' | 'change'
  readonly reason: ResyncReason | undefined
  /** RESYNC: per prefix `key=value`, in its order. */
  readonly values: Readonly<Record<string, readonly string[]>>
  readonly changeType: 'put' | 'delete' | undefined
  /** Of a change; '' for a RESYNC. */
  readonly key: string
  readonly value: string | undefined
  readonly prev: string | undefined
  readonly revision: number
  /** Aborted before it was answered. */
  aborted = false
  readonly #check: DeliveryCheck

  constructor(event: ResyncEvent | ChangeEvent, check: DeliveryCheck) {
    this.event = event
    this.#check = check
    this.kind = event.kind
    if (event.kind === 'resync') {
      this.reason = event.reason
      this.values = Object.fromEntries(
        Array.from(event.values, ([prefix, pairs]) => [
          prefix,
          Array.from(pairs, (pair) => `${pair.key}=${textOf(pair)}`),
        ]),
      )
      this.key = ''
      this.revision = 0
      return
    }
    this.values = {}
    this.changeType = event.changeType
    this.key = event.key
    this.value = event.changeType === 'put' ? textOf(event) : undefined
    this.prev = textOf(event.prev)
    this.revision = event.revision
  }

  ack(): void {
    this.#check.acknowledged(this.event)
    this.event.done()
  }

  refuse(error: unknown = new Error('refused by the test')): void {
    this.#check.refused(this.event)
    this.event.done(error)
  }

  /** One line, for comparisons: `resync startup`, `put /a=2 (1)`, `delete /a (2)`; the previous value in brackets. */
  toString(): string {
    if (this.kind === 'resync') return `resync ${this.reason}`
    const value = this.changeType === 'put' ? `=${this.value}` : ''
    return `${this.changeType} ${this.key}${value}${this.prev === undefined ? '' : ` (${this.prev})`}`
  }
}

/** A receiver that writes down what one registration delivers and holds it against {@link DeliveryCheck}. */
export class Recorder {
  readonly registration: WatchRegistration
  readonly events: Recorded[] = []
  readonly check: DeliveryCheck
  completed = false
  readonly #subscription: { unsubscribe(): void }
  #cursor = 0
  #answer: (event: Recorded, index: number) => Answer

  constructor(registration: WatchRegistration, options: RecorderOptions = {}) {
    this.registration = registration
    this.check = new DeliveryCheck(options)
    this.#answer = options.answer ?? (() => 'ack')
    this.#subscription = registration.events$.subscribe({
      next: (event) => this.#receive(event),
      complete: () => {
        this.completed = true
      },
    })
  }

  /** From now on. */
  answer(answer: Answer | ((event: Recorded, index: number) => Answer)): void {
    this.#answer = typeof answer === 'string' ? () => answer : answer
  }

  /** The next event that was not taken yet; waits for it. */
  async next(): Promise<Recorded> {
    const index = this.#cursor++
    return await eventually(
      () => `event ${index} of ${this.registration.name}; came: ${this.lines().join(', ')}`,
      () => this.events[index],
    )
  }

  /** The next one that fits; those before it are taken too. */
  async nextWhere(what: string, fits: (event: Recorded) => boolean): Promise<Recorded> {
    for (;;) {
      const index = this.#cursor
      const event = await eventually(
        () => `${what} at ${this.registration.name}; came: ${this.lines().slice(-20).join(', ')}`,
        () => this.events[index],
      )
      this.#cursor++
      if (fits(event)) return event
    }
  }

  nextResync(): Promise<Recorded> {
    return this.nextWhere('a RESYNC', (event) => event.kind === 'resync')
  }

  /** Waits for the change of the key to that value; undefined = its delete. */
  async until(key: string, value: string | undefined): Promise<Recorded> {
    return await this.nextWhere(
      `${key} = ${value}`,
      (event) =>
        (event.key === key && event.value === value) ||
        Object.values(event.values).some((pairs) => pairs.includes(`${key}=${value}`)),
    )
  }

  /** Every event as a line. */
  lines(): string[] {
    return this.events.map(String)
  }

  /** The changes of the events, as lines. */
  changes(): string[] {
    return this.events.filter((event) => event.kind === 'change').map(String)
  }

  /** The fold as `key=value`, keys ascending. */
  fold(): string[] {
    const decoder = new TextDecoder()
    return [...this.check.fold]
      .sort(([a], [b]) => compareKeys(a, b))
      .map(([key, { value }]) => `${key}=${decoder.decode(value)}`)
  }

  unsubscribe(): void {
    this.#subscription.unsubscribe()
  }

  #receive(event: ResyncEvent | ChangeEvent): void {
    this.check.delivered(event, this.registration.prefixes)
    const recorded = new Recorded(event, this.check)
    this.events.push(recorded)
    event.signal.addEventListener('abort', () => {
      recorded.aborted = true
      this.check.refused(event)
    })
    const answer = this.#ask(recorded)
    if (answer === 'ack') recorded.ack()
    else if (answer === 'refuse') recorded.refuse()
  }

  #ask(recorded: Recorded): Answer {
    try {
      return this.#answer(recorded, this.events.length - 1)
    } catch (error) {
      this.check.refused(recorded.event)
      throw error
    }
  }
}
