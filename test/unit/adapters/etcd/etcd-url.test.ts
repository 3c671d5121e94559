import { describe, expect, it } from '@jest/globals'
import { parseEtcdUrl } from '../../../../src/adapters/etcd/etcd-url.ts'
import { readOptions } from '../../../../src/adapters/etcd/options.ts'
import { etcd } from '../../../../src/adapters/etcd/index.ts'

describe('URLs of etcd', () => {
  it('names one or more members; 2379 is the default port', () => {
    expect(parseEtcdUrl('etcd://a,b:1,[::1]:2', 'url')).toEqual({
      endpoints: [
        { host: 'a', port: 2379 },
        { host: 'b', port: 1 },
        { host: '::1', port: 2 },
      ],
      tls: false,
      username: undefined,
      password: undefined,
    })
  })

  it('etcds is TLS; user and password are percent-decoded', () => {
    expect(parseEtcdUrl('etcds://us%40er:p%2Fw@h/', 'url')).toMatchObject({
      tls: true,
      username: 'us@er',
      password: 'p/w',
    })
  })

  it.each([
    'http://h:2379',
    'etcd://',
    'etcd://h:0',
    'etcd://h:65536',
    'etcd://h,',
    'etcd://h/path',
    'etcd://user:p%ZZ@h',
    'etcd://user:se/cret@h',
  ])('%s is none; secrets are not shown', (url) => {
    expect(() => parseEtcdUrl(url, 'url')).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option: 'url' }),
    )
    try {
      parseEtcdUrl(url, 'url')
    } catch (error) {
      expect(String(error)).not.toMatch(/cret|ZZ/)
    }
  })
})

describe('options of etcd', () => {
  it('have defaults', () => {
    expect(readOptions({})).toMatchObject({
      name: 'etcd',
      endpoints: [{ host: '127.0.0.1', port: 2379 }],
      tls: undefined,
      livenessMs: 10_000,
      connectTimeoutMs: 5_000,
      commandTimeoutMs: 6_000,
      pageBytes: 4 * 2 ** 20,
      maxMessageBytes: 64 * 2 ** 20,
      maxRequestBytes: 1.5 * 2 ** 20,
      maxTxnOps: 128,
    })
  })

  it('go before the URL; a password may be a function', async () => {
    const settings = readOptions({ url: 'etcds://a:b@h', username: 'c', password: async () => 'd' })
    expect(settings).toMatchObject({ username: 'c', tls: {} })
    expect(await settings.password?.()).toBe('d')
  })

  it.each([
    [{ url: 'redis://h' }, 'url'],
    [{ livenesMs: 1 }, 'livenesMs'],
    [{ livenessMs: 1 }, 'livenessMs'],
    [{ username: 'u' }, 'password'],
    [{ password: 'p' }, 'username'],
    [{ maxTxnOps: 0 }, 'maxTxnOps'],
    [{ pageBytes: 1.5 }, 'pageBytes'],
    [{ tls: { cert: 'x' } }, 'tls'],
  ])('%j is refused by its name', (options, option) => {
    expect(() => etcd(options as object)).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option }),
    )
  })
})
