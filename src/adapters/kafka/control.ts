import { ClosedError } from '../../api/errors.ts'
import { newClient } from './client.ts'
import type { Ambient, Client } from './client.ts'
import { answerOf } from './errors.ts'
import type { KafkaSettings } from './options.ts'
import { partitionerOf } from './partitioner.ts'
import type { Partitioner } from './partitioner.ts'
import { loadTopic } from './topic-offsets.ts'

/** The client for writes and point reads, connected, with the topic's metadata. */
export interface Connected {
  readonly client: Client
  readonly partitions: number
  readonly partitionOf: Partitioner
}

/** One client for everything but streams, made anew after a failure of the link. */
export class Control {
  readonly #settings: KafkaSettings
  readonly #io: Ambient
  #current: Dialled | undefined
  #last: Connected | undefined
  #closed = false

  constructor(settings: KafkaSettings, io: Ambient) {
    this.#settings = settings
    this.#io = io
  }

  /** What the last task saw of the topic; undefined when there is no sound client. Spares a record the asking. */
  get last(): Connected | undefined {
    return this.#last
  }

  /**
   * Runs a task with a connected client. A client that failed is used by nobody else and ended when its tasks are over.
   * @throws what the task throws, errors of kafkajs, ClosedError
   */
  async use<T>(task: (connected: Connected) => Promise<T>): Promise<T> {
    if (this.#closed) throw new ClosedError(this.#settings.name)
    const dialled = (this.#current ??= this.#dial())
    dialled.uses++
    try {
      return await task(await this.#topicOf(dialled))
    } catch (error) {
      // An answer proves that the link is sound; with anything else it is given up.
      if (answerOf(error) === undefined && this.#current === dialled) {
        this.#current = undefined
        this.#last = undefined
      }
      throw error
    } finally {
      dialled.uses--
      this.#endUnused(dialled)
    }
  }

  /** Ends all at once; what is under way fails. */
  async close(): Promise<void> {
    this.#closed = true
    this.#last = undefined
    const dialled = this.#current
    this.#current = undefined
    const client = await dialled?.client.catch(() => undefined)
    await client?.end(new ClosedError(this.#settings.name))
  }

  #dial(): Dialled {
    const { commandTimeoutMs } = this.#settings
    const client = newClient(this.#settings, this.#io, commandTimeoutMs)
    return { client, uses: 0, connected: undefined, loading: undefined }
  }

  async #topicOf(dialled: Dialled): Promise<Connected> {
    const client = await dialled.client
    const { topic } = this.#settings
    // What the broker could not say yet is asked for again.
    dialled.loading ??= loadTopic(client.cluster, topic).catch((error: unknown) => {
      dialled.loading = undefined
      throw error
    })
    await dialled.loading
    // Looks at the brokers only now and then.
    await client.cluster.refreshMetadataIfNecessary()
    const partitions = client.cluster.findTopicPartitionMetadata(topic).length
    if (dialled.connected?.partitions !== partitions) {
      dialled.connected = { client, partitions, partitionOf: partitionerOf(topic, partitions) }
    }
    if (this.#current === dialled) this.#last = dialled.connected
    return dialled.connected
  }

  #endUnused(dialled: Dialled): void {
    if (dialled.uses > 0 || dialled === this.#current) return
    dialled.client.then(
      (client) => client.end(new Error('the client is given up')),
      () => {},
    )
  }
}

interface Dialled {
  readonly client: Promise<Client>
  uses: number
  connected: Connected | undefined
  loading: Promise<number> | undefined
}
