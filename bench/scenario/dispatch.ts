import { filter, map, Subject } from 'rxjs'
import { Agent, memory } from '../../src/index.ts'
import type { ChangeEvent, Message } from '../../src/index.ts'
import { putToEvent, Receiver } from '../put-to-event.ts'
import type { Scenario, Side } from '../scenario.ts'
import { agentKey, agentPrefix, makeEncodedMessages, makeMessages } from '../workload.ts'

const KEYS = 10_000
const EVENTS = 200_000
/** A filter per subscriber does about a thousand events a second. */
const NAIVE_EVENTS = 1_000

const keys = Array.from({ length: KEYS }, (_, i) => agentKey(i))
const messages = makeMessages(64)
const encoded = makeEncodedMessages(64)

/**
 * `put` to event in one process, awaited in windows of 256. Ours: all guarantees, `done` by `handle`. Bare: a Map of the
 * values in front of a Subject. It delivers in order, with the previous value, inside `put`; it has no RESYNC, no
 * acknowledgement, no refusals or timeouts, no bound on a slow receiver, and a receiver that throws breaks the writer.
 * Its values are shared, not copies.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Dispatch on memory',
  rows: [
    {
      id: 'B1',
      work: 'put → event, 1 registration, handle()',
      ours: 'ours, 1 registration',
      beside: 'Subject, filter and map',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 0.5 },
    },
    {
      id: 'B1a',
      work: 'the same, values encoded once and written again and again',
      ours: 'ours, encoded',
      beside: 'Subject, encoded',
      metric: 'perSecond',
      unit: 'events/s',
    },
    {
      id: 'B2',
      work: 'put → event, 10 000 registrations on distinct prefixes',
      ours: 'ours, 10 000 registrations',
      beside: 'ours, 1 registration',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 0.5 },
    },
    {
      id: 'B3',
      work: 'put → event, 10 000 registrations',
      ours: 'ours, 10 000 registrations',
      beside: 'Subject, a filter for each of 10 000',
      metric: 'perSecond',
      unit: 'events/s',
      goal: { atLeast: 500 },
    },
  ],
  sides: {
    'ours, 1 registration': () => ours(['/agents/']),
    'Subject, filter and map': () => bare(['/agents/'], EVENTS),
    'ours, encoded': () => ours(['/agents/'], encoded),
    'Subject, encoded': () => bare(['/agents/'], EVENTS, encoded),
    'ours, 10 000 registrations': () =>
      ours(Array.from({ length: KEYS }, (_, i) => agentPrefix(i))),
    'Subject, a filter for each of 10 000': () =>
      bare(
        Array.from({ length: KEYS }, (_, i) => agentPrefix(i)),
        NAIVE_EVENTS,
      ),
  },
}

async function ours(prefixes: readonly string[], values = messages): Promise<Side> {
  const agent = new Agent({ transport: memory() })
  const receiver = new Receiver()
  const change = (event: ChangeEvent): void => receiver.receive(event)
  for (const prefix of prefixes) agent.watch(`watch ${prefix}`, prefix).handle({ change })
  await agent.start()
  return {
    sample: () =>
      putToEvent(receiver, EVENTS, keys, values, (key, message) => agent.put(key, message)),
    close: () => agent.close(),
  }
}

interface BareChange {
  readonly key: string
  readonly value: Uint8Array
  readonly prev: Uint8Array | undefined
  readonly revision: number
}

/** What one writes by hand. */
class BareStore {
  readonly changes$ = new Subject<BareChange>()
  readonly #values = new Map<string, Uint8Array>()
  #revision = 0

  async put(key: string, message: Message): Promise<{ version: string }> {
    const value = message.serializeBinary()
    const prev = this.#values.get(key)
    this.#values.set(key, value)
    const revision = ++this.#revision
    this.changes$.next({ key, value, prev, revision })
    return { version: String(revision) }
  }
}

async function bare(prefixes: readonly string[], events: number, values = messages): Promise<Side> {
  const store = new BareStore()
  const receiver = new Receiver()
  for (const prefix of prefixes) {
    store.changes$
      .pipe(
        filter((change) => change.key.startsWith(prefix)),
        map(({ key, value, prev, revision }) => ({ kind: 'put', key, value, prev, revision })),
      )
      .subscribe((event) => receiver.receive(event))
  }
  return {
    sample: () =>
      putToEvent(receiver, events, keys, values, (key, message) => store.put(key, message)),
    close: async () => store.changes$.complete(),
  }
}
