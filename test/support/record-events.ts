import { isUtf8 } from 'node:buffer'
import type { Subscription } from 'rxjs'
import type { ChangeEvent, KeyVal } from '../../src/api/change-event.ts'
import type { ResyncEvent } from '../../src/api/resync-event.ts'
import type { WatchOptions, WatchRegistration } from '../../src/api/watcher.ts'
import { DeliveryCheck, describeEvent } from './check-delivery.ts'
import type {
  CheckOptions,
  DeliveryEntry,
  SeenEvent,
  SeenPair,
  Violation,
} from './check-delivery.ts'
import { waitFor } from './wait-for.ts'

/** What an answering function returns to leave the event open; `event.done` answers it later. */
export const LEAVE_OPEN: unique symbol = Symbol('leave the event open')

/**
 * Handles an event: done when it returns or resolves, refused when it throws, unless it gives {@link LEAVE_OPEN}.
 * `index` counts the events from 0.
 */
export type Answer = (event: ResyncEvent | ChangeEvent, index: number) => unknown

export interface RecordOptions {
  /** Done at once by default. */
  readonly answer?: Answer
  /** The options that the registration was watched with. */
  readonly watch?: WatchOptions
  /** Of the transport; true. */
  readonly storeRevisions?: boolean
}

/** What a registration delivers, checked against the contract as it comes. Text values are kept as text. */
export interface EventRecorder {
  /** Key and value, as the events add up. */
  readonly fold: ReadonlyMap<string, string>
  readonly events: readonly SeenEvent[]
  /** The events, one line each: `resync startup /a=1`, `put /a=2 (was 1)`, `delete /a (was 2)`. */
  readonly lines: readonly string[]
  readonly violations: readonly Violation[]
  /** The event that was delivered last. */
  readonly last: ResyncEvent | ChangeEvent | undefined
  /** The streams are complete. */
  readonly completed: boolean
  /** @throws Error with every broken rule and the events that led there */
  expectClean(): void
  /** Waits until the fold is this and no rule was broken. */
  untilFold(
    expected: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
    timeoutMs?: number,
  ): Promise<void>
  /** Waits until so many events came. */
  untilEvents(count: number, timeoutMs?: number): Promise<void>
  /** Waits until a line says so; the first such line. */
  untilLine(pattern: string | RegExp, timeoutMs?: number): Promise<string>
  /** Ends the subscription; an open event counts as refused. */
  stop(): void
}

/** Subscribes to a registration. */
export function recordEvents(
  registration: WatchRegistration,
  options: RecordOptions = {},
): EventRecorder {
  return new Recorder(registration, options)
}

class Recorder implements EventRecorder {
  readonly events: SeenEvent[] = []
  last: ResyncEvent | ChangeEvent | undefined
  completed = false
  readonly #registration: WatchRegistration
  readonly #answer: Answer
  readonly #check: DeliveryCheck
  readonly #subscription: Subscription
  #prefixes: readonly string[]

  constructor(registration: WatchRegistration, options: RecordOptions) {
    this.#registration = registration
    this.#answer = options.answer ?? (() => {})
    this.#check = new DeliveryCheck(checkOptions(options))
    this.#prefixes = registration.prefixes
    this.#subscription = registration.events$.subscribe({
      next: (event) => this.#record(event),
      complete: () => {
        this.completed = true
        this.#check.next({ kind: 'closed' })
      },
    })
  }

  get fold(): ReadonlyMap<string, string> {
    this.#notePrefixes()
    return new Map([...this.#check.fold.values()].map(({ key, value }) => [key, value]))
  }

  get lines(): readonly string[] {
    return this.events.map(describeEvent)
  }

  get violations(): readonly Violation[] {
    return this.#check.violations
  }

  expectClean(): void {
    const { violations } = this.#check
    const [first] = violations
    if (first === undefined) return
    const from = Math.max(0, first.event - 10)
    const lines = this.lines.slice(from, first.event + 1).map((line, i) => `  ${from + i} ${line}`)
    throw new Error(
      [
        `${this.#registration.name}: ${violations.length} broken rules`,
        ...violations.slice(0, 10).map(({ message }) => message),
        'the events before:',
        ...lines,
      ].join('\n'),
    )
  }

  async untilFold(
    expected: ReadonlyMap<string, string> | Readonly<Record<string, string>>,
    timeoutMs?: number,
  ): Promise<void> {
    const wanted = new Map(expected instanceof Map ? expected : Object.entries(expected))
    await this.#until(
      () => differences(wanted, this.fold).length === 0,
      () => `the fold: ${differences(wanted, this.fold).slice(0, 10).join(', ')}`,
      timeoutMs,
    )
  }

  async untilEvents(count: number, timeoutMs?: number): Promise<void> {
    const what = (): string => `${count} events, so far ${this.events.length}`
    await this.#until(() => this.events.length >= count, what, timeoutMs)
  }

  async untilLine(pattern: string | RegExp, timeoutMs?: number): Promise<string> {
    const find = (): string | undefined =>
      this.lines.find((line) =>
        typeof pattern === 'string' ? line.includes(pattern) : pattern.test(line),
      )
    const what = (): string => `${pattern}, so far:\n${this.lines.slice(-20).join('\n')}`
    return await this.#until(find, what, timeoutMs)
  }

  stop(): void {
    this.#subscription.unsubscribe()
  }

  async #until<T>(
    condition: () => T,
    what: () => string,
    timeoutMs: number | undefined,
  ): Promise<NonNullable<T>> {
    const result = await waitFor(condition, {
      describe: () => `${this.#registration.name}: ${what()}`,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    }).finally(() => this.expectClean())
    return result
  }

  #record(event: ResyncEvent | ChangeEvent): void {
    this.#notePrefixes()
    const index = this.events.length
    const seen = see(event)
    this.events.push(seen)
    this.#check.next(seen)
    event.signal.addEventListener('abort', () =>
      this.#check.next({ kind: 'aborted', event: index }),
    )
    const watched = this.#withRecordedDone(event, index)
    this.last = watched
    void this.#run(watched, index)
  }

  async #run(event: ResyncEvent | ChangeEvent, index: number): Promise<void> {
    try {
      const result = this.#answer(event, index)
      // A plain result is answered at once, in the same turn.
      const settled = isPromiseLike(result) ? await result : result
      if (settled !== LEAVE_OPEN) event.done()
    } catch (error) {
      event.done(error ?? new Error('refused'))
    }
  }

  /** The event itself, whose first `done` is noted before it is called. */
  #withRecordedDone<E extends ResyncEvent | ChangeEvent>(event: E, index: number): E {
    let answered = false
    const done = (error?: unknown): void => {
      if (!answered && !this.#isVoid(event)) {
        const entry: DeliveryEntry = {
          kind: 'answered',
          event: index,
          refused: error !== undefined && error !== null,
        }
        this.#check.next(entry)
      }
      answered = true
      event.done(error)
    }
    return new Proxy(event, {
      get(target, name) {
        if (name === 'done') return done
        const value: unknown = Reflect.get(target, name, target)
        return typeof value === 'function' ? (value.bind(target) as unknown) : value
      },
    })
  }

  /** A RESYNC that a reset has voided: its `done` says nothing. */
  #isVoid(event: ResyncEvent | ChangeEvent): boolean {
    if (event.kind === 'change' || !event.signal.aborted) return false
    return this.#registration.status.lastResync?.outcome === 'voided'
  }

  #notePrefixes(): void {
    const now = this.#registration.prefixes
    for (const prefix of this.#prefixes) {
      if (now.includes(prefix)) continue
      this.#check.next({ kind: 'unregistered', prefix, remaining: now })
    }
    this.#prefixes = now
  }
}

/** Text where the bytes are UTF-8, else `base64:…`. */
export function showBytes(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? buffer.toString('utf8') : `base64:${buffer.toString('base64')}`
}

function see(event: ResyncEvent | ChangeEvent): SeenEvent {
  if (event.kind === 'resync') {
    const values = [...event.values].map(
      ([prefix, pairs]) => [prefix, [...pairs].map(seePair)] as const,
    )
    return { kind: 'resync', reason: event.reason, values: new Map(values) }
  }
  const prev = event.prev === undefined ? undefined : seePair(event.prev)
  if (event.changeType === 'delete') {
    return { kind: 'delete', key: event.key, revision: event.revision, prev }
  }
  return { kind: 'put', ...seePair(event), prev }
}

function seePair({ key, bytes, revision }: KeyVal): SeenPair {
  return { key, value: showBytes(bytes), revision }
}

function checkOptions({ watch = {}, storeRevisions }: RecordOptions): CheckOptions {
  const { onRefusal, delivery, resume } = watch
  const pairs = resume?.parts.flatMap((part) =>
    part.pairs.map(([key, value, revision]) => ({
      key,
      value: showBytes(Buffer.from(value, 'base64')),
      revision,
    })),
  )
  return {
    ...(onRefusal === undefined ? {} : { onRefusal }),
    ...(delivery === undefined ? {} : { delivery }),
    ...(storeRevisions === undefined ? {} : { storeRevisions }),
    ...(resume === undefined ? {} : { resumed: { prefixes: resume.prefixes, pairs: pairs ?? [] } }),
  }
}

function differences(
  wanted: ReadonlyMap<string, string>,
  found: ReadonlyMap<string, string>,
): string[] {
  const lines: string[] = []
  for (const key of new Set([...wanted.keys(), ...found.keys()])) {
    const [want, have] = [wanted.get(key), found.get(key)]
    if (want === have) continue
    lines.push(
      `${key} is ${JSON.stringify(have) ?? 'absent'}, wanted ${JSON.stringify(want) ?? 'absent'}`,
    )
  }
  return lines
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value
}
