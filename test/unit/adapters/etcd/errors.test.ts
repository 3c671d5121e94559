import { status } from '@grpc/grpc-js'
import { describe, expect, it } from '@jest/globals'
import { answerOf, isTooLarge, translate } from '../../../../src/adapters/etcd/errors.ts'
import { ClosedError } from '../../../../src/index.ts'

function statusError(code: status, details: string): Error {
  return Object.assign(new Error(`${code} ${details}`), { code, details })
}

describe('errors of etcd', () => {
  it.each([
    [status.PERMISSION_DENIED, 'etcdserver: permission denied', 'SYNC_ACCESS_DENIED'],
    [status.UNAUTHENTICATED, 'etcdserver: invalid auth token', 'SYNC_ACCESS_DENIED'],
    [status.INVALID_ARGUMENT, 'etcdserver: user name is empty', 'SYNC_ACCESS_DENIED'],
    [status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded', 'SYNC_UNAVAILABLE'],
    [status.UNAVAILABLE, 'etcdserver: request timed out', 'SYNC_UNAVAILABLE'],
  ])('status %s, %s: %s', (code, details, expected) => {
    expect(translate('etcd', statusError(code, details))).toMatchObject({ code: expected })
  })

  it('what has no definite answer keeps the outcome; a definite no was not applied', () => {
    const lost = statusError(status.UNAVAILABLE, 'Connection dropped')
    expect(translate('etcd', lost, 'unknown')).toMatchObject({
      outcome: 'unknown',
      retryable: true,
    })
    const full = statusError(status.RESOURCE_EXHAUSTED, 'etcdserver: mvcc: database space exceeded')
    expect(translate('etcd', full, 'unknown')).toMatchObject({
      outcome: 'not-applied',
      retryable: true,
    })
    const no = statusError(status.FAILED_PRECONDITION, 'etcdserver: something else')
    expect(translate('etcd', no, 'unknown')).toMatchObject({
      outcome: 'not-applied',
      retryable: false,
    })
  })

  it('a certificate is told by its code; errors of ours stay what they are', () => {
    const tls = Object.assign(new Error('x'), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
    expect(translate('etcd', tls)).toMatchObject({ code: 'SYNC_ACCESS_DENIED' })
    const refused = Object.assign(new Error('x'), { code: 'ECONNREFUSED' })
    expect(translate('etcd', refused)).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
    const own = new ClosedError('it')
    expect(translate('etcd', own)).toBe(own)
    expect(translate('etcd', 'text')).toMatchObject({ code: 'SYNC_UNAVAILABLE' })
  })

  it('sizes: the server’s word, the server’s gRPC, ours', () => {
    const text = 'etcdserver: request is too large'
    expect(isTooLarge(statusError(status.INVALID_ARGUMENT, text))).toBe(true)
    expect(isTooLarge(statusError(status.RESOURCE_EXHAUSTED, 'Received message larger'))).toBe(true)
    expect(
      isTooLarge(statusError(status.RESOURCE_EXHAUSTED, 'etcdserver: too many requests')),
    ).toBe(false)
    expect(isTooLarge(new Error('x'))).toBe(false)
    expect(answerOf(statusError(status.OUT_OF_RANGE, 'something'))).toBeUndefined()
  })
})
