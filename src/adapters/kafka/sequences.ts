import type { Broker } from 'kafkajs'
import type { Clock } from '../../api/clock.ts'
import type { Client } from './client.ts'
import { isLoading } from './errors.ts'

const TRIES = 50
const WAIT_MS = 50
const MAX_SEQUENCE = 2 ** 31 - 1

/** A producer's number, and by partition how many records were written under it: so the broker knows a repetition. */
export class Sequence {
  readonly producerId: number
  readonly producerEpoch: number
  readonly #next = new Map<number, number>()

  constructor(producerId: number, producerEpoch: number) {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
  }

  next(partition: number): number {
    return this.#next.get(partition) ?? 0
  }

  advance(partition: number, records: number): void {
    const next = this.next(partition) + records
    this.#next.set(partition, next > MAX_SEQUENCE ? next - MAX_SEQUENCE - 1 : next)
  }
}

/** Of each client the sequence in use. */
export class Sequences {
  readonly #clock: Clock
  readonly #of = new WeakMap<Client, Promise<Sequence>>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The broker is asked for a new one when there is none. @throws errors of kafkajs */
  of(client: Client, broker: Broker): Promise<Sequence> {
    let sequence = this.#of.get(client)
    if (sequence === undefined) {
      sequence = this.#begin(broker)
      this.#of.set(client, sequence)
      sequence.catch(() => this.#of.delete(client))
    }
    return sequence
  }

  /** It is no longer known what the broker counted. */
  forget(client: Client, sequence: Sequence): void {
    void this.#of.get(client)?.then((now) => {
      if (now === sequence) this.#of.delete(client)
    })
  }

  async #begin(broker: Broker): Promise<Sequence> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { producerId, producerEpoch } = await (
          broker as Broker & GivesProducerIds
        ).initProducerId({ transactionTimeout: 0 })
        return new Sequence(Number(producerId), producerEpoch)
      } catch (error) {
        // A broker that has just begun, or used up its numbers, fetches new ones.
        if (!isLoading(error) || attempt === TRIES) throw error
        await new Promise<void>((resolve) => {
          this.#clock.after(WAIT_MS, resolve, { keepAlive: true })
        })
      }
    }
  }
}

/** As kafkajs' brokers have it; its types leave it out. */
interface GivesProducerIds {
  initProducerId(options: {
    readonly transactionTimeout: number
  }): Promise<{ readonly producerId: string; readonly producerEpoch: number }>
}
