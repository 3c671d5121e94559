import { describe, expect, it } from '@jest/globals'
import * as errors from '../../../src/api/errors.ts'
import type { SyncError } from '../../../src/api/errors.ts'
import { errorFrom, failureOf } from '../../../src/kit/failure.ts'

const { TransportUnavailableError, TimeoutError, RefusedError } = errors

const TRAVELLERS: readonly SyncError[] = [
  new errors.InvalidKeyError('/a', 'it is too long'),
  new errors.InvalidOptionError('ttl', 'must be a time'),
  new errors.AlreadyRegisteredError('a'),
  new errors.NotRegisteredError('a', []),
  new errors.AlreadyStartedError(),
  new errors.DecodeError('/a', 'Lamp'),
  new errors.VersionConflictError('/a', 'one', 'two'),
  new errors.VersionConflictError('/a', undefined, 'two'),
  new RefusedError([
    { registration: 'a', cause: new Error('too bright') },
    { registration: 'b', cause: new TimeoutError('done', 5) },
  ]),
  new errors.PartialWriteError([
    { part: 'a', outcome: 'stored' },
    { part: 'b', outcome: 'unknown', error: new Error('secret') },
  ]),
  new errors.UnsupportedOptionError('ttl', 'kafka'),
  new TransportUnavailableError('redis', 'is away', { outcome: 'unknown' }),
  new TransportUnavailableError('redis', 'is away'),
  new errors.AccessDeniedError('redis', 'no'),
  new errors.NotificationsDisabledError('redis', 'notify-keyspace-events'),
  new errors.StoreLockedError('/a', 'b'),
  new errors.StoreCorruptError('/a', 'no header'),
  new TimeoutError('the write', 7, { outcome: 'stored' }),
  new errors.OverflowError('the queue', 9),
  new errors.PayloadTooLargeError('the value', 9, 8),
  new errors.PayloadTooLargeError('dataResyncs', 9, 8, { unit: 'items' }),
  new errors.PluginError('a', 'init', new Error('secret')),
  new errors.BugError('a rule was broken'),
]

describe('errors that travel', () => {
  it.each(TRAVELLERS.map((error) => [error.code, error] as const))('%s', (_code, error) => {
    const text = JSON.stringify(failureOf(error))
    expect(text).not.toContain('    at ')
    const back = errorFrom(JSON.parse(text), 'rest')
    expect(back.code).toBe(error.code)
    expect(back.retryable).toBe(error.retryable)
    // Sizes and limits, as the other process has said them.
    if ('limit' in error) expect(back.message).toBe(`rest: ${error.message}`)
    for (const field of [
      'outcome',
      'key',
      'expected',
      'actual',
      'option',
      'size',
      'limit',
      'timeoutMs',
    ] as const) {
      expect([field, Reflect.get(back, field)]).toEqual([field, Reflect.get(error, field)])
    }
  })

  it('refusals keep their names, texts and codes; parts their outcomes', () => {
    const refused = errorFrom(failureOf(TRAVELLERS[8]), 'rest') as errors.RefusedError
    expect(
      refused.refusals.map(({ registration, cause }) => [
        registration,
        errors.describeError(cause),
        errors.isSyncError(cause, 'SYNC_TIMEOUT'),
      ]),
    ).toEqual([
      ['a', 'too bright', false],
      ['b', 'done took longer than 5 ms', true],
    ])
    const partial = errorFrom(failureOf(TRAVELLERS[9]), 'rest') as errors.PartialWriteError
    expect(partial.parts).toEqual([
      { part: 'a', outcome: 'stored' },
      { part: 'b', outcome: 'unknown' },
    ])
  })

  it('of what is no error of ours nothing is told', () => {
    for (const thrown of [new Error('secret'), 'secret', undefined, { message: 'secret' }]) {
      expect(failureOf(thrown)).toEqual({ code: 'SYNC_BUG', message: 'internal error' })
    }
  })

  it('a code of a later version is a failure all the same, with what became of the write', () => {
    for (const [outcome, told] of [
      ['stored', 'stored'],
      [undefined, 'unknown'],
    ] as const) {
      const failure = { code: 'SYNC_OF_LATER', message: 'too late', retryable: true }
      const text = JSON.stringify({ ...failure, outcome })
      const back = errorFrom(JSON.parse(text), 'rest')
      expect(back).toBeInstanceOf(TransportUnavailableError)
      expect(back).toMatchObject({ code: 'SYNC_UNAVAILABLE', retryable: true, outcome: told })
      expect(back.message).toBe('rest: too late (SYNC_OF_LATER)')
    }
  })

  it('a closed server is one that is away: another may be there', () => {
    const back = errorFrom(failureOf(new errors.ClosedError('the agent')), 'rest')
    expect([back.code, back.retryable]).toEqual(['SYNC_UNAVAILABLE', true])
  })
})
