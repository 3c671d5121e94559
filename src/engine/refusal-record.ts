import { describeError } from '../api/errors.ts'
import type { RefusalReport } from '../api/refusal-report.ts'
import type { OpenEvent } from './open-event.ts'
import type { RegistrationHost } from './registration-host.ts'

type RefusalHost = Pick<RegistrationHost, 'transportName' | 'io' | 'refused'>

/** How often a receiver did not take what it was given, and why it did not last. */
export class RefusalRecord {
  readonly #name: string
  readonly #host: RefusalHost
  #count = 0
  #lastError: unknown

  constructor(name: string, host: RefusalHost) {
    this.#name = name
    this.#host = host
  }

  get count(): number {
    return this.#count
  }

  get lastError(): unknown {
    return this.#lastError
  }

  /** It said so itself, of no event in particular (§7). */
  reported(error: unknown): void {
    this.#tell({ kind: 'reported', result: 'refused', error })
  }

  refused(event: OpenEvent, result: 'refused' | 'timeout', error: unknown): void {
    const key = event.change?.key
    this.#tell({ kind: event.kind, result, error, ...(key === undefined ? {} : { key }) })
    this.#host.io.logger.warn(
      { registration: this.#name, kind: event.kind, result, error: describeError(error) },
      'event refused',
    )
  }

  /** A `done` that counts no more (C12). */
  ignored(event: OpenEvent): void {
    this.#host.io.logger.debug({ registration: this.#name, kind: event.kind }, 'late done ignored')
  }

  #tell(refusal: Omit<RefusalReport, 'registration' | 'transport' | 'at'>): void {
    this.#count++
    this.#lastError = refusal.error
    const { transportName: transport, io } = this.#host
    this.#host.refused({
      registration: this.#name,
      transport,
      at: io.clock.now(),
      ...refusal,
    })
  }
}
