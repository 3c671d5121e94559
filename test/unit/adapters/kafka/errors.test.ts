import { describe, expect, it } from '@jest/globals'
import {
  hasMoved,
  isTooLarge,
  outcomeOf,
  translate,
} from '../../../../src/adapters/kafka/errors.ts'

const answer = (type: string): unknown => ({ name: 'KafkaJSProtocolError', type, code: 1 })
const wrapped = (cause: unknown): unknown => ({
  name: 'KafkaJSNumberOfRetriesExceeded',
  cause: { name: 'KafkaJSNonRetriableError', cause },
})

describe('errors of kafkajs', () => {
  it.each([
    [answer('SASL_AUTHENTICATION_FAILED'), 'SYNC_ACCESS_DENIED', false],
    [wrapped(answer('TOPIC_AUTHORIZATION_FAILED')), 'SYNC_ACCESS_DENIED', false],
    [{ name: 'KafkaJSSASLAuthenticationError' }, 'SYNC_ACCESS_DENIED', false],
    [
      { name: 'KafkaJSConnectionError', code: 'SELF_SIGNED_CERT_IN_CHAIN' },
      'SYNC_ACCESS_DENIED',
      false,
    ],
    [{ name: 'KafkaJSConnectionError', code: 'ECONNREFUSED' }, 'SYNC_UNAVAILABLE', true],
    [wrapped({ name: 'KafkaJSRequestTimeoutError' }), 'SYNC_UNAVAILABLE', true],
    [{ name: 'KafkaJSNotImplemented' }, 'SYNC_UNAVAILABLE', false],
    [answer('LEADER_NOT_AVAILABLE'), 'SYNC_UNAVAILABLE', true],
    [new Error('anything'), 'SYNC_UNAVAILABLE', true],
    [undefined, 'SYNC_UNAVAILABLE', true],
  ])('%j is %s', (error, code, retryable) => {
    expect(translate('kafka', error)).toMatchObject({ code, retryable })
    const translated = translate('kafka', error)
    expect(translate('kafka', translated)).toBe(translated)
  })

  it('tell what became of a write: an answer refuses it, but for those that do not know', () => {
    expect(outcomeOf(answer('NOT_ENOUGH_REPLICAS'))).toBe('not-applied')
    expect(outcomeOf(wrapped(answer('NOT_LEADER_FOR_PARTITION')))).toBe('unknown')
    expect(outcomeOf(answer('REQUEST_TIMED_OUT'))).toBe('unknown')
    expect(outcomeOf(answer('NOT_ENOUGH_REPLICAS_AFTER_APPEND'))).toBe('unknown')
    expect(outcomeOf({ name: 'KafkaJSConnectionClosedError' })).toBe('unknown')
    expect(hasMoved(answer('NOT_LEADER_FOR_PARTITION'))).toBe(true)
    expect(hasMoved(answer('NOT_ENOUGH_REPLICAS'))).toBe(false)
    expect(isTooLarge(wrapped(answer('MESSAGE_TOO_LARGE')))).toBe(true)
  })
})
