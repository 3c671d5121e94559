import { randomUUID } from 'node:crypto'
import { Partitioners } from 'kafkajs'
import type { Message, Producer, RecordMetadata, Transaction } from 'kafkajs'
import { newClient } from './client.ts'
import type { Ambient, Client } from './client.ts'
import { backoffMs } from '../../kit/backoff.ts'
import { pause } from '../../kit/pause.ts'
import { answerOf, hasNoCoordinator, translate } from './errors.ts'
import type { KafkaSettings } from './options.ts'
import type { Write } from './write-queue.ts'

/** Repetitions inside a transaction are told by the broker by their sequence numbers. */
const RETRY = { retries: 6, initialRetryTime: 20, multiplier: 2, maxRetryTime: 500 } as const
/** Between tries to begin, until this share of `commandTimeoutMs` is over: then the reason is told, not the time. */
const BEGIN_BACKOFF = { baseMs: 50, capMs: 1_000 } as const
const BEGIN_SHARE = 0.8
/** The coordinator's refusals of the end of a transaction: it has not ended. */
const NOT_ENDED: ReadonlySet<string> = new Set([
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_LOAD_IN_PROGRESS',
  'INVALID_PRODUCER_EPOCH',
])

/** A record of a transaction, with its partition. */
export interface TransactionWrite extends Write {
  readonly partition: number
}

interface Open {
  readonly client: Client
  readonly producer: Producer
}

/** Writes several records all or nothing, for readers of committed records; one transaction at a time. */
export class Transactions {
  readonly #settings: KafkaSettings
  readonly #io: Ambient
  /** The same for the transport's life: a new producer ends what the one before left open. */
  readonly #id: string
  #open: Promise<Open> | undefined
  #line: Promise<unknown> = Promise.resolve()
  readonly #closing = new AbortController()

  constructor(settings: KafkaSettings, io: Ambient) {
    this.#settings = settings
    this.#io = io
    this.#id = `${settings.clientId}-${randomUUID()}`
  }

  /**
   * The offset of each record.
   * @throws TransportUnavailableError with `outcome`: `unknown` when the answer to the commit is lost, then the broker
   * ends the transaction one way or the other; errors of kafkajs for records that were refused
   */
  commit(writes: readonly TransactionWrite[]): Promise<readonly number[]> {
    const done = this.#line.then(() => this.#run(writes))
    this.#line = done.catch(() => {})
    return done
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the transport is closed'))
    await this.#discard(new Error('the transport is closed'))
  }

  async #run(writes: readonly TransactionWrite[]): Promise<readonly number[]> {
    const transaction = await this.#begin(writes)
    const answers = await this.#fill(transaction, writes)
    for (const write of writes) write.sent = true
    try {
      await transaction.commit()
    } catch (error) {
      await this.#discard(error)
      // An open transaction would keep readers waiting: the next producer of the same name ends it.
      if (!this.#closing.signal.aborted) this.#fence()
      const outcome = NOT_ENDED.has(answerOf(error) ?? '') ? 'not-applied' : 'unknown'
      throw translate(this.#settings.name, error, outcome)
    }
    return offsetsOf(writes, answers)
  }

  /** A cluster's first transaction waits for its coordinator to be made, others for one that moves. */
  async #begin(writes: readonly TransactionWrite[]): Promise<Transaction> {
    const { name, commandTimeoutMs } = this.#settings
    const { clock, random } = this.#io
    const { signal } = this.#closing
    const over = clock.now() + commandTimeoutMs * BEGIN_SHARE
    for (let attempt = 0; ; attempt++) {
      assertWanted(writes)
      try {
        const { producer } = await (this.#open ??= this.#connect())
        return await producer.transaction()
      } catch (error) {
        await this.#discard(error)
        const waits = hasNoCoordinator(error) && clock.now() < over && !signal.aborted
        if (!waits) throw translate(name, error)
      }
      await pause(backoffMs(attempt, random, BEGIN_BACKOFF), clock, signal)
    }
  }

  /** @throws after the transaction is aborted, here or, without a link, by the broker */
  async #fill(
    transaction: Transaction,
    writes: readonly TransactionWrite[],
  ): Promise<readonly RecordMetadata[]> {
    const { topic, commandTimeoutMs } = this.#settings
    try {
      const messages = writes.map(({ key, value, partition }): Message => ({
        key,
        value,
        partition,
      }))
      assertWanted(writes)
      const answers = await transaction.send({
        topic,
        messages,
        acks: -1,
        timeout: commandTimeoutMs,
      })
      assertWanted(writes)
      return answers
    } catch (error) {
      try {
        await transaction.abort()
      } catch {
        await this.#discard(error)
        if (!this.#closing.signal.aborted) this.#fence()
      }
      throw error
    }
  }

  async #connect(): Promise<Open> {
    const { commandTimeoutMs, transactionTimeoutMs } = this.#settings
    const client = await newClient(this.#settings, this.#io, commandTimeoutMs)
    const producer = client.kafka.producer({
      transactionalId: this.#id,
      transactionTimeout: transactionTimeoutMs,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      createPartitioner: Partitioners.DefaultPartitioner,
      retry: RETRY,
    })
    try {
      await producer.connect()
      return { client, producer }
    } catch (error) {
      await end({ client, producer }, new Error('no connection'))
      throw error
    }
  }

  /** Its state is unknown after a failure: never used again. */
  async #discard(reason: unknown): Promise<void> {
    const open = await this.#open?.catch(() => undefined)
    this.#open = undefined
    if (open !== undefined) await end(open, reason instanceof Error ? reason : new Error('failed'))
  }

  #fence(): void {
    this.#line = this.#line.then(async () => {
      try {
        const { producer } = await (this.#open ??= this.#connect())
        await (await producer.transaction()).abort()
      } catch (error) {
        await this.#discard(error)
      }
    })
  }
}

async function end({ client, producer }: Open, reason: Error): Promise<void> {
  await client.end(reason)
  await producer.disconnect().catch(() => {})
}

/** Who no longer waits was told that nothing is written. */
function assertWanted(writes: readonly TransactionWrite[]): void {
  if (writes.some(({ cancelled }) => cancelled)) throw new Error('cancelled')
}

function offsetsOf(
  writes: readonly TransactionWrite[],
  answers: readonly RecordMetadata[],
): readonly number[] {
  const next = new Map(answers.map((of) => [of.partition, Number(of.baseOffset)]))
  return writes.map(({ partition }) => {
    const offset = next.get(partition) ?? 0
    next.set(partition, offset + 1)
    return offset
  })
}
