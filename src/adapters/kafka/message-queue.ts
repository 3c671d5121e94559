// Of this CommonJS package Node finds few names.
import kafkajs from 'kafkajs'
import type { Message, Producer } from 'kafkajs'
import { InvalidOptionError, TransportUnavailableError } from '../../api/errors.ts'
import type { Client } from './client.ts'
import type { Connected, Control } from './control.ts'
import { answerOf, isTooLarge, outcomeOf, tooLarge, translate } from './errors.ts'
import { Lanes } from './lanes.ts'
import type { LaneItem } from './lanes.ts'
import type { MsgsyncSettings } from './msgsync-options.ts'
import type { TopicMessage } from './msgsync.ts'
import { Placement } from './placement.ts'
import type { Written } from './write-queue.ts'

/** Repetitions are told by the broker by their sequence numbers. */
const RETRY = { retries: 8, initialRetryTime: 50, multiplier: 2, maxRetryTime: 1_000 } as const
/** How long a message that has not been sent yet waits for a broker, and how long between two looks; ms. */
const PATIENCE_MS = 30_000
const LOOK_MS = 100
const MAX_LOOK_MS = 1_000
/** What a record has beside key and value, roughly. */
const RECORD_BYTES = 32
/** Messages without a key stay with one partition for so long, for full batches. */
const STICKY = 1_000

/** What becomes of a message: where it was written, or why not. */
export type Settle = (written: Written | undefined, error: unknown) => void

interface Item extends LaneItem {
  readonly record: Message
  readonly settle: Settle
}

/** Sends messages in batches of one partition each, by an idempotent producer. */
export class MessageQueue {
  readonly #settings: MsgsyncSettings
  readonly #control: Control
  readonly #lanes: Lanes<Item>
  readonly #placement: Placement
  readonly #producers = new WeakMap<Client, Promise<Producer>>()
  #keyless = 0
  #flushed = false
  #open = 0
  #wakers: (() => void)[] = []

  constructor(settings: MsgsyncSettings, control: Control) {
    this.#settings = settings
    this.#control = control
    this.#placement = new Placement({
      get last() {
        return control.last
      },
      use: (task) => this.#use(task, () => false),
    })
    this.#lanes = new Lanes({
      batchBytes: settings.batchBytes,
      batchItems: settings.batchMessages,
      lingerMs: settings.lingerMs,
      clock: settings.clock,
      send: (partition, items) => this.#send(partition, items),
    })
  }

  /**
   * Calls `settle` once; does not throw. The error is an InvalidOptionError, what `serializeBinary` threw,
   * PayloadTooLargeError, TransportUnavailableError or AccessDeniedError.
   */
  send(message: TopicMessage, settle: Settle): void {
    try {
      const record = recordOf(message)
      const bytes = RECORD_BYTES + sizeOf(record.key) + sizeOf(record.value)
      const item = { record, bytes, cancelled: false, settle }
      const { ready } = this.#placement
      if (ready === undefined) this.#await(item)
      else this.#place(item, ready)
    } catch (error) {
      settle(undefined, error)
    }
  }

  /** @throws InvalidOptionError */
  #place(item: Item, connected: Connected): void {
    const { record } = item
    record.partition = this.#partitionOf(record, connected)
    this.#open++
    this.#lanes.push(record.partition, item)
  }

  #await(item: Item): void {
    this.#open++
    this.#placement.add(
      (connected) => {
        this.#place(item, connected)
        this.#open--
      },
      (error) => {
        const { name } = this.#settings.kafka
        this.#settle(item, undefined, translate(name, error))
      },
    )
  }

  /** Nothing waits any longer for others, or for a broker that is away. */
  flush(): void {
    this.#flushed = true
    this.#lanes.flush()
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#open > 0) {
      await new Promise<void>((resolve) => {
        this.#wakers.push(resolve)
      })
    }
  }

  #settle(item: Item, written: Written | undefined, error: unknown): void {
    this.#open--
    item.settle(written, error)
    if (this.#open === 0) for (const wake of this.#wakers.splice(0)) wake()
  }

  #partitionOf({ key, partition }: Message, { partitions, partitionOf }: Connected): number {
    if (partition !== undefined) {
      if (Number.isInteger(partition) && partition >= 0 && partition < partitions) return partition
      throw new InvalidOptionError('partition', `${partition} is none of the topic's ${partitions}`)
    }
    if (key !== null && key !== undefined) return partitionOf(key as Buffer)
    return Math.floor(this.#keyless++ / STICKY) % partitions
  }

  /** Settles every item; does not throw. */
  async #send(partition: number, items: readonly Item[]): Promise<void> {
    let sent = false
    try {
      const base = await this.#use(
        async ({ client }) => {
          const producer = await this.#producerOf(client)
          sent = true
          return this.#produce(client, producer, items)
        },
        () => sent,
      )
      let offset = base
      for (const item of items) this.#settle(item, { partition, offset: offset++ }, undefined)
    } catch (error) {
      if (isTooLarge(error)) await this.#apart(partition, items)
      else {
        const outcome = sent ? outcomeOf(error) : 'not-applied'
        const failure = translate(this.#settings.kafka.name, error, outcome)
        for (const item of items) this.#settle(item, undefined, failure)
      }
    }
  }

  /** Tries again while no broker is there, as long as nothing was sent. @throws what the task throws, errors of kafkajs */
  async #use<T>(task: (connected: Connected) => Promise<T>, sent: () => boolean): Promise<T> {
    const { clock, kafka } = this.#settings
    const begunAt = clock.now()
    for (let waitMs = LOOK_MS; ; waitMs = Math.min(MAX_LOOK_MS, 2 * waitMs)) {
      try {
        return await this.#control.use(task)
      } catch (error) {
        const failure = translate(kafka.name, error)
        const mends = failure instanceof TransportUnavailableError && failure.retryable
        const isOver = this.#flushed || clock.now() - begunAt > PATIENCE_MS
        // What the broker refused by a word of its own is no matter of waiting.
        if (sent() || !mends || answerOf(error) !== undefined || isOver) throw error
        await new Promise<void>((resolve) => {
          clock.after(waitMs, resolve, { keepAlive: true })
        })
      }
    }
  }

  /** Nothing of them was written: each for itself, so that only the large ones fail. */
  async #apart(partition: number, items: readonly Item[]): Promise<void> {
    const [only] = items
    if (items.length > 1) for (const item of items) await this.#send(partition, [item])
    else if (only !== undefined) {
      const size = sizeOf(only.record.value)
      this.#settle(only, undefined, tooLarge(String(only.record.key ?? ''), size, size - 1))
    }
  }

  async #produce(client: Client, producer: Producer, items: readonly Item[]): Promise<number> {
    const { kafka, gzip } = this.#settings
    try {
      const [answer] = await producer.send({
        topic: kafka.topic,
        acks: -1,
        timeout: kafka.commandTimeoutMs,
        compression: gzip ? kafkajs.CompressionTypes.GZIP : kafkajs.CompressionTypes.None,
        messages: items.map(({ record }) => record),
      })
      return Number(answer?.baseOffset)
    } catch (error) {
      // kafkajs counts back its sequence number, though the broker may have taken the batch: another one would then be
      // taken for a repetition, and lost. A new producer counts from the beginning.
      if (answerOf(error) !== undefined) this.#producers.delete(client)
      throw error
    }
  }

  #producerOf(client: Client): Promise<Producer> {
    let producer = this.#producers.get(client)
    if (producer === undefined) {
      producer = connectProducer(client)
      this.#producers.set(client, producer)
      producer.catch(() => this.#producers.delete(client))
    }
    return producer
  }
}

async function connectProducer({ kafka }: Client): Promise<Producer> {
  const producer = kafka.producer({
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    retry: RETRY,
  })
  await producer.connect()
  return producer
}

function recordOf(message: TopicMessage): Message {
  if (typeof message !== 'object' || message === null) {
    throw new InvalidOptionError('message', 'must be an object with a message')
  }
  const { key, message: body, headers, partition } = message
  const value = body === null ? null : bufferOf(body.serializeBinary())
  return {
    key: key === undefined || key === null ? null : bufferOf(key),
    value,
    ...(headers === undefined ? {} : { headers }),
    ...(partition === undefined ? {} : { partition }),
  }
}

function bufferOf(bytes: string | Uint8Array): Buffer {
  if (typeof bytes === 'string') return Buffer.from(bytes)
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function sizeOf(bytes: Buffer | string | null | undefined): number {
  return bytes === null || bytes === undefined ? 0 : bytes.length
}
