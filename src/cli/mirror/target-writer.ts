import type { Agent } from '../../agent/agent.ts'
import { isSyncError } from '../../api/errors.ts'
import type { Message } from '../../api/message.ts'
import type { Publication } from '../../api/writer.ts'
import type { Write } from './differences.ts'

/** Writes of one transaction. */
const BATCH = 500
/** The same in bytes of values. */
const BATCH_BYTES = 1024 * 1024

/** What became of writes. */
export interface WriteLog {
  put(count: number): void
  deleted(count: number): void
  failed(error: unknown): void
}

/**
 * Writes many values in the order given: in transactions, each of which costs the target one round trip, or where it
 * cannot take them one by one with many under way.
 */
export class TargetWriter {
  readonly #target: Agent
  /** Transactions over any keys are refused, as in a cluster. */
  #singly = false

  constructor(target: Agent) {
    this.#target = target
  }

  /** Resolves when everything is written or has failed; never rejects. */
  async write(writes: AsyncIterable<Write> | Iterable<Write>, log: WriteLog): Promise<void> {
    try {
      let batch: Write[] = []
      let bytes = 0
      for await (const write of writes) {
        batch.push(write)
        bytes += write.value?.length ?? 0
        if (batch.length < BATCH && bytes < BATCH_BYTES) continue
        await this.#commit(batch, log)
        batch = []
        bytes = 0
      }
      if (batch.length > 0) await this.#commit(batch, log)
    } catch (error) {
      // What gives the writes has failed.
      log.failed(error)
    }
  }

  async #commit(batch: readonly Write[], log: WriteLog): Promise<void> {
    if (this.#singly) {
      await this.#publish(batch, log)
      return
    }
    try {
      const transaction = this.#target.txn()
      let deletes = 0
      for (const { key, value } of batch) {
        if (value !== undefined) transaction.put(key, messageOf(value))
        else {
          transaction.delete(key)
          deletes++
        }
      }
      const { deleted = deletes } = await transaction.commit()
      log.put(batch.length - deletes)
      log.deleted(deleted)
    } catch (error) {
      // One by one it shows which of them cannot be written; the others are.
      if (isSyncError(error, 'SYNC_UNSUPPORTED_OPTION')) this.#singly = true
      else if (!isOfOneKey(error)) {
        log.failed(error)
        return
      }
      await this.#publish(batch, log)
    }
  }

  async #publish(batch: readonly Write[], log: WriteLog): Promise<void> {
    // Results come in the order of the writes.
    let index = 0
    await this.#target.publish(publications(batch)).forEach((result) => {
      const write = batch[index++]
      if (!result.ok) log.failed(result.error)
      else if (write?.value === undefined) log.deleted(result.deleted ?? 1)
      else log.put(1)
    })
  }
}

/** True for what another key may not meet. */
export function isOfOneKey(error: unknown): boolean {
  return isSyncError(error, 'SYNC_PAYLOAD_TOO_LARGE') || isSyncError(error, 'SYNC_INVALID_KEY')
}

// oxlint-disable-next-line require-await -- what publish pulls no faster than it writes
async function* publications(batch: readonly Write[]): AsyncGenerator<Publication> {
  for (const { key, value } of batch) {
    yield value === undefined ? { key, delete: true } : { key, message: messageOf(value) }
  }
}

/** The bytes are ours alone. */
function messageOf(value: Uint8Array): Message {
  return { serializeBinary: () => value }
}
