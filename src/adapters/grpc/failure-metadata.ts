import { Metadata } from '@grpc/grpc-js'
import type { Failure } from '../../kit/failure.ts'
import { statusOf } from './status-codes.ts'
import { FAILURE_URL, failureMessage, rpcStatus, STATUS_KEY } from './watch-schema.ts'

/** Longer texts would not fit into the trailers that most programs take (8 to 16 KiB in all), in bytes. */
const MAX_TEXT = 1_024
/** Of versions, and of one of many. */
const MAX_SHORT = 128
const MAX_ITEMS = 16

/**
 * A text as a status can carry it: clients and plugins decide what stands in it, and the driver throws at half a
 * character and loses the connection over a long one.
 */
export function statusText(text: string, maxBytes: number = MAX_TEXT): string {
  const bytes = Buffer.from(text)
  if (bytes.length <= maxBytes) return bytes.toString()
  return `${bytes.toString('utf8', 0, maxBytes - 3).replace(/\uFFFD$/u, '')}…`
}

/** The trailing metadata that tells what went wrong. */
export function failureMetadata(error: unknown, failure: Failure): Metadata {
  const message = statusText(failure.message)
  const { key, expected, actual, option, refusals, parts } = failure
  const value = failureMessage.encode({
    ...failure,
    message,
    ...(key === undefined ? {} : { key: statusText(key) }),
    ...(expected === undefined ? {} : { expected: statusText(expected, MAX_SHORT) }),
    ...(actual === undefined ? {} : { actual: statusText(actual, MAX_SHORT) }),
    ...(option === undefined ? {} : { option: statusText(option, MAX_SHORT) }),
    ...(refusals === undefined
      ? {}
      : {
          refusals: refusals.slice(0, MAX_ITEMS).map((refusal) => ({
            ...refusal,
            registration: statusText(refusal.registration, MAX_SHORT),
            error: statusText(refusal.error, MAX_SHORT),
          })),
        }),
    ...(parts === undefined ? {} : { parts: parts.slice(0, MAX_ITEMS) }),
  })
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
