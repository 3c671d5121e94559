import type { Broker, Message } from 'kafkajs'
import { TransportUnavailableError } from '../../api/errors.ts'
import type { Clock } from '../../api/clock.ts'
import type { Client } from './client.ts'
import type { Control } from './control.ts'
import { hasMoved, isTooLarge, outcomeOf, tooLarge, translate } from './errors.ts'
import { Lanes } from './lanes.ts'
import type { LaneItem } from './lanes.ts'
import type { KafkaSettings } from './options.ts'
import { Placement } from './placement.ts'
import { Sequences } from './sequences.ts'
import type { Sequence } from './sequences.ts'

/** Together in one request, at most: more than one record must fit a topic with Kafka's default limit. */
const BATCH_BYTES = 900_000
const BATCH_RECORDS = 2_000
/** What a record has beside key and value, roughly. */
const RECORD_BYTES = 32
/** While a partition has no leader yet; about three seconds. */
const MOVED_TRIES = 10
const MOVED_WAIT_MS = 100
const MAX_MOVED_WAIT_MS = 500

/** One record on its way. */
export interface Write {
  readonly key: Buffer
  /** Null deletes. */
  readonly value: Buffer | null
  readonly headers?: Message['headers']
  /** Set when the record was handed to a socket: from then on it may be written. */
  sent: boolean
  /** Set by who no longer waits: it is not sent any more. */
  cancelled: boolean
}

/** Where a record was written. */
export interface Written {
  readonly partition: number
  readonly offset: number
}

class Item implements LaneItem {
  readonly write: Write
  readonly bytes: number
  readonly resolve: (written: Written) => void
  readonly reject: (error: unknown) => void

  constructor(write: Write, resolve: (written: Written) => void, reject: (error: unknown) => void) {
    this.write = write
    this.bytes = RECORD_BYTES + write.key.length + (write.value?.length ?? 0)
    this.resolve = resolve
    this.reject = reject
  }

  get cancelled(): boolean {
    return this.write.cancelled
  }
}

/**
 * Writes records, none of them twice: kafkajs' own retries are not used. A request is repeated only when another broker
 * leads now, under its sequence number: the old leader may have written it and passed it on before it said so. One
 * request carries records of one partition, so that each refusal tells what became of which record.
 */
export class WriteQueue {
  readonly #settings: KafkaSettings
  readonly #control: Control
  readonly #clock: Clock
  readonly #lanes: Lanes<Item>
  readonly #placement: Placement
  readonly #sequences: Sequences
  /** By partition: behind the last record that we wrote. */
  readonly written: Map<number, number> = new Map()
  /** `max.message.bytes`, where known. */
  maxMessageBytes: number | undefined

  constructor(settings: KafkaSettings, control: Control, clock: Clock) {
    this.#settings = settings
    this.#control = control
    this.#clock = clock
    this.#placement = new Placement(control)
    this.#sequences = new Sequences(clock)
    this.#lanes = new Lanes({
      batchBytes: BATCH_BYTES,
      batchItems: BATCH_RECORDS,
      lingerMs: 0,
      clock,
      send: (partition, items) => this.#send(partition, items),
    })
  }

  /**
   * Resolves when all replicas in sync have it.
   * @throws TransportUnavailableError with `outcome`, PayloadTooLargeError, AccessDeniedError
   */
  write(write: Write): Promise<Written> {
    return new Promise((resolve, reject) => {
      const item = new Item(write, resolve, reject)
      this.#placement.add(
        ({ partitionOf }) => this.#lanes.push(partitionOf(write.key), item),
        (error) => reject(translate(this.#settings.name, error)),
      )
    })
  }

  /** Readers of ours wait for it. */
  noteWritten(partition: number, next: number): void {
    if (next > (this.written.get(partition) ?? 0)) this.written.set(partition, next)
  }

  /** Settles every item; does not throw. */
  async #send(partition: number, taken: readonly Item[]): Promise<void> {
    let items = taken
    try {
      const base = await this.#produce(partition, () => {
        // Who gave up was told that it was not sent.
        items = items.filter(({ cancelled }) => !cancelled)
        return items
      })
      this.noteWritten(partition, base + items.length)
      for (const [i, item] of items.entries()) item.resolve({ partition, offset: base + i })
    } catch (error) {
      const [only] = items
      if (isTooLarge(error) && only !== undefined) {
        if (items.length === 1) only.reject(this.#tooLarge(only.write))
        // Nothing of them was written: each for itself, so that only the large ones fail.
        else for (const item of items) await this.#send(partition, [item])
        return
      }
      for (const { write, reject } of items) {
        reject(translate(this.#settings.name, error, write.sent ? outcomeOf(error) : 'not-applied'))
      }
    }
  }

  /** The first offset. `unsent` gives what is still to be sent. @throws errors of kafkajs */
  async #produce(partition: number, unsent: () => readonly Item[]): Promise<number> {
    let batch: Batch | undefined
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#control.use(async ({ client }) => {
          // Another client has other sequence numbers: what may be written is not sent again.
          if (batch !== undefined && batch.client !== client) throw batch.refusal
          const broker = await leaderOf(client, this.#settings, partition)
          const sequence = batch?.sequence ?? (await this.#sequences.of(client, broker))
          batch ??= { client, sequence, items: unsent(), refusal: undefined }
          return this.#request(broker, partition, batch)
        })
      } catch (error) {
        if (batch === undefined || !hasMoved(error)) throw error
        batch.refusal = error
        if (attempt === MOVED_TRIES) throw error
        const { client } = batch
        await client.cluster.refreshMetadata()
        await new Promise<void>((resolve) => {
          this.#clock.after(Math.min(MAX_MOVED_WAIT_MS, MOVED_WAIT_MS * attempt), resolve, {
            keepAlive: true,
          })
        })
      }
    }
  }

  async #request(broker: Broker, partition: number, batch: Batch): Promise<number> {
    const { topic, commandTimeoutMs } = this.#settings
    const { client, sequence, items } = batch
    if (items.length === 0) return 0
    for (const { write } of items) write.sent = true
    try {
      const answer = (await broker.produce({
        acks: -1,
        timeout: commandTimeoutMs,
        producerId: sequence.producerId,
        producerEpoch: sequence.producerEpoch,
        topicData: [
          {
            topic,
            partitions: [
              {
                partition,
                firstSequence: sequence.next(partition),
                messages: items.map(messageOf),
              },
            ],
          },
        ],
      })) as { topics: readonly { partitions: readonly { baseOffset: string }[] }[] }
      sequence.advance(partition, items.length)
      return Number(answer.topics[0]?.partitions[0]?.baseOffset)
    } catch (error) {
      // The broker may count them, or not: the next ones are counted from the beginning.
      if (outcomeOf(error) === 'unknown' || !isTooLarge(error))
        this.#sequences.forget(client, sequence)
      throw error
    }
  }

  #tooLarge({ key, value }: Write): unknown {
    const size = value?.length ?? 0
    return tooLarge(key.toString(), size, this.maxMessageBytes ?? size - 1)
  }
}

/** What was sent once, and may be sent again. */
interface Batch {
  readonly client: Client
  readonly sequence: Sequence
  readonly items: readonly Item[]
  /** Why it has to be sent again. */
  refusal: unknown
}

/** @throws errors of kafkajs */
async function leaderOf(
  client: Client,
  settings: KafkaSettings,
  partition: number,
): Promise<Broker> {
  const { cluster } = client
  const [nodeId] = Object.keys(cluster.findLeaderForPartitions(settings.topic, [partition]))
  if (nodeId === undefined) {
    throw new TransportUnavailableError(settings.name, `partition ${partition} does not exist`)
  }
  return cluster.findBroker({ nodeId })
}

function messageOf({ write: { key, value, headers } }: Item): Message {
  return headers === undefined ? { key, value } : { key, value, headers }
}
