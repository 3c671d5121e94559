import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { ReplyError } from 'ioredis'
import {
  isCommandRefused,
  replyArguments,
  replyCode,
  translate,
} from '../../../../src/adapters/redis/errors.ts'
import { ClosedError } from '../../../../src/api/errors.ts'

function reply(message: string, args: string[] = []): Error {
  return Object.assign(new ReplyError(message), { command: { name: 'x', args } }) as Error
}

describe('errors of the driver', () => {
  it('are told by the code of the answer', () => {
    expect(replyCode(reply('WRONGTYPE Operation against a key'))).toBe('WRONGTYPE')
    expect(replyCode(new Error('WRONGTYPE by somebody else'))).toBeUndefined()
    expect(replyCode('ERR')).toBeUndefined()
    expect(replyArguments(reply('MOVED 3999 10.0.0.1:6381'))).toEqual(['3999', '10.0.0.1:6381'])
    expect(replyArguments(new Error('a b'))).toEqual([])
    expect(isCommandRefused(reply("ERR unknown command 'CONFIG'"))).toBe(true)
    expect(isCommandRefused(reply('NOPERM this user'))).toBe(true)
    expect(isCommandRefused(reply('LOADING'))).toBe(false)
  })

  it.each([
    ['WRONGPASS invalid', 'SYNC_ACCESS_DENIED', false],
    ['NOAUTH Authentication required.', 'SYNC_ACCESS_DENIED', false],
    ['NOPERM this user has no permissions', 'SYNC_ACCESS_DENIED', false],
    ['DENIED Redis is running in protected mode', 'SYNC_ACCESS_DENIED', false],
    ['LOADING Redis is loading', 'SYNC_UNAVAILABLE', true],
    ['OOM command not allowed', 'SYNC_UNAVAILABLE', true],
    ['READONLY You can not', 'SYNC_UNAVAILABLE', true],
    ['CLUSTERDOWN The cluster is down', 'SYNC_UNAVAILABLE', true],
    ['ERR syntax error', 'SYNC_UNAVAILABLE', false],
  ])('%s', (message, code, retryable) => {
    // An answer says that nothing was applied, whatever was feared.
    const error = translate('redis', reply(message), 'unknown')
    expect(error).toMatchObject({ code, retryable })
    if (code === 'SYNC_UNAVAILABLE') expect(error).toMatchObject({ outcome: 'not-applied' })
    expect(error.message).toContain(message)
  })

  it('of sockets keep the outcome; of certificates are no weather', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
    expect(translate('redis', refused, 'unknown')).toMatchObject({
      code: 'SYNC_UNAVAILABLE',
      outcome: 'unknown',
      retryable: true,
      cause: refused,
    })
    for (const code of [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'SELF_SIGNED_CERT_IN_CHAIN',
      'CERT_HAS_EXPIRED',
      'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      'ERR_TLS_CERT_ALTNAME_INVALID',
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'HOSTNAME_MISMATCH',
    ]) {
      const error = Object.assign(new Error('tls'), { code })
      expect([code, translate('redis', error).code]).toEqual([code, 'SYNC_ACCESS_DENIED'])
    }
  })

  it('of ours pass as they are', () => {
    const closed = new ClosedError('redis')
    expect(translate('redis', closed)).toBe(closed)
  })

  it('carry no arguments of commands', () => {
    const error = translate('redis', reply('WRONGPASS invalid', ['user', 'secret']))
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('secret')
    expect(String(error.cause)).toContain('ReplyError: WRONGPASS')
  })
})
