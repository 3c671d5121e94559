import { Metadata, status } from '@grpc/grpc-js'
import { describeError } from '../../../api/errors.ts'
import type { MessageCodec } from '../proto-table.ts'

/** How a call's messages are written. */
export type Format = 'protobuf' | 'json'

/**
 * How a message is written. It is told by the message itself, not by the content type, which the driver does not hand
 * out and programs in Go with a codec of their own set as they like: no protobuf message of these services begins with `{`
 * (it would be a group with number 15), and JSON always does.
 */
export function formatOf(bytes: Uint8Array): Format {
  return bytes[0] === 0x7b ? 'json' : 'protobuf'
}

/** @throws CallError (`INVALID_ARGUMENT`) */
export function decodeMessage<T>(codec: MessageCodec<T>, bytes: Uint8Array, format: Format): T {
  try {
    return format === 'json' ? codec.fromJson(bytes) : codec.decode(bytes)
  } catch (error) {
    throw new CallError(status.INVALID_ARGUMENT, `no such message: ${describeError(error)}`)
  }
}

export function encodeMessage<T>(codec: MessageCodec<T>, message: T, format: Format): Buffer {
  return format === 'json' ? codec.toJson(message) : codec.encode(message)
}

/** The headers of an answer in JSON; in protobuf the driver's own are right. */
export function jsonHeaders(): Metadata {
  const metadata = new Metadata()
  metadata.set('content-type', 'application/grpc+json')
  return metadata
}

/** A call is refused with a status, for what is no error of ours. */
export class CallError extends Error {
  readonly status: status

  constructor(code: status, message: string) {
    super(message)
    this.name = 'CallError'
    this.status = code
  }
}
