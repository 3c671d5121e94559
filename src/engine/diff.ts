import { Observable } from 'rxjs'
import type { OperatorFunction } from 'rxjs'
import type { ChangeEvent, KeyVal } from '../api/change-event.ts'
import type { ResyncEvent } from '../api/resync-event.ts'
import type { RawPair } from '../api/transport.ts'
import { sameBytes } from '../source/watch-loop.ts'
import { ByteCopier } from './byte-copier.ts'
import { deleteEvent, putEvent } from './events.ts'
import type { DeliveryHandle } from './events.ts'

/**
 * Turns a RESYNC into the CHANGEs from the fold before: deletes of what vanished (W7), then puts of what is new or
 * different, one at a time. The RESYNC is done when they all are, and refused by the first refusal; what was refused is
 * told again by the next RESYNC. CHANGEs pass through.
 */
export function diff(): OperatorFunction<ResyncEvent | ChangeEvent, ChangeEvent> {
  return (source) =>
    new Observable((subscriber) => {
      const fold = new Map<string, RawPair>()
      const copies = new ByteCopier()
      let latest: ResyncEvent | ChangeEvent | undefined
      return source.subscribe({
        next: (event) => {
          latest = event
          const out: Output = {
            copies,
            emit: (change) => subscriber.next(change),
            // A word about an event that others have followed says nothing about the fold of today.
            remember: (key, next) => {
              if (latest !== event) return
              if (next === undefined) fold.delete(key)
              else fold.set(key, next)
            },
          }
          if (event.kind === 'change') passOn(event, out)
          else unfold(event, fold, out)
        },
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      })
    })
}

/** Where one event's changes go. */
interface Output {
  readonly copies: ByteCopier
  emit(change: ChangeEvent): void
  /** The receiver has it; undefined: the key is gone. */
  remember(key: string, next: RawPair | undefined): void
}

function passOn(event: ChangeEvent, out: Output): void {
  const next = event.changeType === 'put' ? pairOf(event) : undefined
  let answered = false
  const handle: DeliveryHandle = {
    get signal() {
      return event.signal
    },
    copies: out.copies,
    working: () => event.working(),
    done: (error) => {
      if (error === undefined && !answered) out.remember(event.key, next)
      answered = true
      event.done(error)
    },
  }
  // Not from our fold, which lacks what was refused and passed over (C4).
  const prev = event.prev === undefined ? undefined : pairOf(event.prev)
  out.emit(changeOf(handle, event.source, prev, next, event.revision))
}

function unfold(event: ResyncEvent, fold: ReadonlyMap<string, RawPair>, out: Output): void {
  const present = new Map<string, KeyVal>()
  for (const pairs of event.values.values()) for (const pair of pairs) present.set(pair.key, pair)
  const steps: { key: string; next: RawPair | undefined; revision: number }[] = []
  for (const { key, revision } of fold.values()) {
    if (!present.has(key)) steps.push({ key, next: undefined, revision })
  }
  for (const pair of present.values()) {
    const held = fold.get(pair.key)
    if (held !== undefined && sameBytes(held.value, pair.bytes)) continue
    steps.push({ key: pair.key, next: pairOf(pair), revision: pair.revision })
  }
  let index = 0
  const step = (): void => {
    if (event.signal.aborted) return
    const current = steps[index++]
    if (current === undefined) {
      event.done()
      return
    }
    const { key, next, revision } = current
    let answered = false
    const handle: DeliveryHandle = {
      get signal() {
        return event.signal
      },
      copies: out.copies,
      working: () => event.working(),
      done: (error) => {
        if (answered) return
        answered = true
        if (error !== undefined) {
          event.done(error)
          return
        }
        out.remember(key, next)
        // A loop of synchronous answers must not become a recursion (W24).
        queueMicrotask(step)
      },
    }
    out.emit(changeOf(handle, event.source, fold.get(key), next, revision))
  }
  step()
}

function changeOf(
  handle: DeliveryHandle,
  source: string,
  prev: RawPair | undefined,
  next: RawPair | undefined,
  revision: number,
): ChangeEvent {
  if (next !== undefined) return putEvent(handle, source, prev, next)
  return deleteEvent(handle, source, prev as RawPair, revision)
}

function pairOf(view: KeyVal): RawPair {
  return { key: view.key, value: view.bytes, revision: view.revision, version: view.version }
}
