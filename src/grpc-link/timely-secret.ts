import { TransportUnavailableError } from '../api/errors.ts'
import type { SyncError } from '../api/errors.ts'
import type { Clock } from '../api/clock.ts'

export interface SecretRequest {
  /** What it is, in errors: `password`, `token`. */
  readonly what: string
  /** The user's function. */
  readonly give: () => string | Promise<string>
  /** Of the transport, in errors. */
  readonly name: string
  readonly timeoutMs: number
  /** Of the connection that it is for: nobody needs it any more once that is lost. */
  readonly onLost: (listener: (error: SyncError) => void) => () => void
  readonly clock: Clock
}

/**
 * A password or token, asked for anew each time (W17).
 * @throws TransportUnavailableError when it is not to be had in time; the function's own error is the cause
 */
export function timelySecret(request: SecretRequest): Promise<string> {
  const { what, give, name, timeoutMs, onLost, clock } = request
  return new Promise((resolve, reject) => {
    const fail = (problem: string, cause?: unknown): void =>
      reject(new TransportUnavailableError(name, problem, { cause }))
    const limit = clock.after(timeoutMs, () => {
      fail(`the ${what} was not given within ${timeoutMs} ms`)
    })
    const forget = onLost(reject)
    Promise.resolve()
      .then(give)
      .then(resolve, (cause: unknown) => fail(`the function for the ${what} has failed`, cause))
      .finally(() => {
        limit.stop()
        forget()
      })
  })
}
