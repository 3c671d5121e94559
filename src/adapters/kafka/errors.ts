import {
  AccessDeniedError,
  isSyncError,
  PayloadTooLargeError,
  TransportUnavailableError,
} from '../../api/errors.ts'
import type { SyncError, WriteOutcome } from '../../api/errors.ts'

/** kafkajs wraps what it retried or will not retry. */
const WRAPPERS: ReadonlySet<string> = new Set([
  'KafkaJSNumberOfRetriesExceeded',
  'KafkaJSNonRetriableError',
])
/** What no waiting mends. */
const DENIED: ReadonlySet<string> = new Set([
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'SECURITY_DISABLED',
])
/** The broker answered, but may have written. */
const DOUBTFUL: ReadonlySet<string> = new Set([
  'REQUEST_TIMED_OUT',
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'UNKNOWN',
  'KAFKAJS_UNKNOWN_ERROR_CODE',
])
/** Somebody else leads now, or nobody yet. A leader that is deposed while it waits for its replicas says it, too. */
const MOVED: ReadonlySet<string> = new Set([
  'NOT_LEADER_FOR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'KAFKA_STORAGE_ERROR',
])
/** A transaction has nobody to look after it: the coordinator is being made or moved, or ends the one before. */
const NO_COORDINATOR: ReadonlySet<string> = new Set([
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
  'GROUP_LOAD_IN_PROGRESS',
  'CONCURRENT_TRANSACTIONS',
])
const TOO_LARGE: ReadonlySet<string> = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

/** What Node calls a certificate that does not hold; all of OpenSSL's X509_V_ERR codes are of these kinds. */
const CERTIFICATE =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERROR_IN_CERT|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|EPROTO$)/u

/** The broker's own word, such as `NOT_LEADER_FOR_PARTITION`; undefined when it said none. */
export function answerOf(error: unknown): string | undefined {
  const type = field(rootOf(error), 'type')
  return type === '' ? undefined : type
}

/** The offset asked for lies outside what the partition has. */
export function isOutOfRange(error: unknown): boolean {
  return answerOf(error) === 'OFFSET_OUT_OF_RANGE'
}

export function isTopicMissing(error: unknown): boolean {
  return answerOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION'
}

/** The records were refused as a whole because they are too many bytes. */
export function isTooLarge(error: unknown): boolean {
  return TOO_LARGE.has(answerOf(error) ?? '')
}

/** It will be able to say soon. */
export function isLoading(error: unknown): boolean {
  return answerOf(error) === 'GROUP_LOAD_IN_PROGRESS'
}

/** Another broker leads the partition, metadata is stale; the write may have been written all the same. */
export function hasMoved(error: unknown): boolean {
  return MOVED.has(answerOf(error) ?? '')
}

/** No transaction was begun, as nobody could look after it yet. */
export function hasNoCoordinator(error: unknown): boolean {
  const isUnknown = field(rootOf(error), 'name') === 'KafkaJSGroupCoordinatorNotFound'
  return isUnknown || NO_COORDINATOR.has(answerOf(error) ?? '')
}

/** What became of a write that was handed to the socket. */
export function outcomeOf(error: unknown): WriteOutcome {
  const answer = answerOf(error)
  const doubtful = answer === undefined || DOUBTFUL.has(answer) || MOVED.has(answer)
  return doubtful ? 'unknown' : 'not-applied'
}

/** An error of ours for what kafkajs, a broker or the socket reported; `outcome` says what became of a write. */
export function translate(
  transport: string,
  error: unknown,
  outcome: WriteOutcome = 'not-applied',
): SyncError {
  if (isSyncError(error)) return error
  const root = rootOf(error)
  const name = field(root, 'name')
  const answer = answerOf(root)
  if (name === 'KafkaJSSASLAuthenticationError' || DENIED.has(answer ?? '')) {
    const what = answer ?? 'the login'
    return new AccessDeniedError(transport, `the broker refuses (${what})`, { cause: root })
  }
  const code = field(root, 'code')
  if (CERTIFICATE.test(code)) {
    return new AccessDeniedError(transport, `TLS failed (${code})`, { cause: root })
  }
  if (name === 'KafkaJSNotImplemented') {
    return new TransportUnavailableError(
      transport,
      'records are compressed in a way that kafkajs cannot read: give its CompressionCodecs one for it',
      { cause: root, retryable: false, outcome },
    )
  }
  return new TransportUnavailableError(transport, problemOf(name, answer, code), {
    cause: root,
    outcome,
  })
}

/** For a write that was refused as too large. `limit` is the topic's `max.message.bytes`, where known. */
export function tooLarge(key: string, size: number, limit: number): PayloadTooLargeError {
  return new PayloadTooLargeError(`the value of ${JSON.stringify(key)}`, size, limit)
}

/** @throws PayloadTooLargeError (`SYNC_PAYLOAD_TOO_LARGE`) */
export function assertValueSize(key: string, value: Uint8Array, limit: number): void {
  if (value.length > limit) throw tooLarge(key, value.length, limit)
}

function problemOf(name: string, answer: string | undefined, code: string): string {
  if (answer !== undefined) return `the broker answers ${answer}`
  if (code !== '') return `no connection (${code})`
  if (name === 'KafkaJSGroupCoordinatorNotFound') return 'there is no coordinator'
  if (name === 'KafkaJSRequestTimeoutError') return 'a broker did not answer in time'
  return 'the connection is lost'
}

function rootOf(error: unknown): unknown {
  let root = error
  for (let depth = 0; depth < 8; depth++) {
    if (!WRAPPERS.has(field(root, 'name'))) break
    const { cause } = root as { cause?: unknown }
    if (cause === undefined || cause === null) break
    root = cause
  }
  // Several topics or partitions: the first speaks for all.
  const errors = typeof root === 'object' && root !== null && 'errors' in root ? root.errors : []
  return Array.isArray(errors) && errors.length > 0 ? (errors[0] as unknown) : root
}

function field(error: unknown, name: 'name' | 'type' | 'code'): string {
  if (typeof error !== 'object' || error === null || !(name in error)) return ''
  const value = (error as Record<string, unknown>)[name]
  return typeof value === 'string' ? value : ''
}
