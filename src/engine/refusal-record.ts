import { describeError } from '../api/errors.ts'
import type { Logger } from '../api/logger.ts'
import type { OpenEvent } from './open-event.ts'

/** How often a receiver did not take what it was given, and why it did not last. */
export class RefusalRecord {
  readonly #name: string
  readonly #logger: Logger
  #count = 0
  #lastError: unknown

  constructor(name: string, logger: Logger) {
    this.#name = name
    this.#logger = logger
  }

  get count(): number {
    return this.#count
  }

  get lastError(): unknown {
    return this.#lastError
  }

  /** It said so itself, of no event in particular (§7). */
  reported(error: unknown): void {
    this.#count++
    this.#lastError = error
  }

  refused(event: OpenEvent, result: 'refused' | 'timeout', error: unknown): void {
    this.reported(error)
    this.#logger.warn(
      { registration: this.#name, kind: event.kind, result, error: describeError(error) },
      'event refused',
    )
  }

  /** A `done` that counts no more (C12). */
  ignored(event: OpenEvent): void {
    this.#logger.debug({ registration: this.#name, kind: event.kind }, 'late done ignored')
  }
}
