import { Metadata } from '@grpc/grpc-js'
import type { Failure } from '../../kit/failure.ts'
import { statusOf } from './status-codes.ts'
import { FAILURE_URL, failureMessage, rpcStatus, STATUS_KEY } from './watch-schema.ts'

/** Longer texts would not fit into the trailers that most programs take. */
const MAX_MESSAGE = 1_024

/** The trailing metadata that tells what went wrong. */
export function failureMetadata(error: unknown, failure: Failure): Metadata {
  const message = failure.message.slice(0, MAX_MESSAGE)
  const refusals = failure.refusals
    ?.slice(0, 16)
    .map((refusal) => ({ ...refusal, error: refusal.error.slice(0, 128) }))
  const value = failureMessage.encode({ ...failure, message, ...(refusals ? { refusals } : {}) })
  const metadata = new Metadata()
  metadata.set(
    STATUS_KEY,
    rpcStatus.encode({
      code: statusOf(error),
      message,
      details: [{ typeUrl: FAILURE_URL, value }],
    }),
  )
  return metadata
}

/** What {@link failureMetadata} put there; undefined where another server answered. Total. */
export function readFailure(metadata: Metadata | undefined): Failure | undefined {
  try {
    const [bytes] = metadata?.get(STATUS_KEY) ?? []
    if (!Buffer.isBuffer(bytes)) return undefined
    const found = rpcStatus.decode(bytes).details.find(({ typeUrl }) => typeUrl === FAILURE_URL)
    if (found === undefined) return undefined
    // Own fields only: what was not sent must not be there.
    const sent = failureMessage.toJson(failureMessage.decode(found.value)).toString()
    const failure = JSON.parse(sent) as Partial<Failure> & Pick<Failure, 'code'>
    return { ...failure, message: failure.message ?? '' }
  } catch {
    // Others may put there what they like.
    return undefined
  }
}
