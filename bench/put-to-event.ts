import type { ChangeEvent, Message } from '../src/index.ts'
import type { Measurement } from './scenario.ts'
import { Counter, perSecond, writeInWindows } from './workload.ts'

/** What a receiver does with an event: it looks at the key and whether there was a value before. */
export class Receiver extends Counter {
  withPrevious = 0

  receive(event: Pick<ChangeEvent, 'key'> & { readonly prev?: unknown }): void {
    if (event.key.length > 0 && event.prev !== undefined) this.withPrevious++
    this.count()
  }
}

/** Writes so many values, keys in turn, and waits until each write is answered and each event received. */
export async function putToEvent(
  receiver: Receiver,
  events: number,
  keys: readonly string[],
  values: readonly Message[],
  put: (key: string, message: Message) => Promise<unknown>,
): Promise<Measurement> {
  const target = receiver.seen + events
  const startedAt = performance.now()
  await writeInWindows(events, (i) =>
    put(keys[i % keys.length] as string, values[i % values.length] as Message),
  )
  await receiver.reaches(target)
  return { perSecond: perSecond(events, startedAt) }
}
