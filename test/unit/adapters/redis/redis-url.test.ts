import { describe, expect, it } from '@jest/globals'
import { parseRedisUrl } from '../../../../src/adapters/redis/redis-url.ts'

describe('parseRedisUrl', () => {
  it('reads what it says', () => {
    expect(parseRedisUrl('redis://localhost', 'url')).toEqual({
      endpoints: [{ host: 'localhost', port: 6379 }],
      tls: false,
      cluster: false,
      username: undefined,
      password: undefined,
      db: undefined,
    })
    expect(parseRedisUrl('rediss://me:p%40ss%2Fw%3Ard@db.example:7000/3', 'url')).toEqual({
      endpoints: [{ host: 'db.example', port: 7000 }],
      tls: true,
      cluster: false,
      username: 'me',
      password: 'p@ss/w:rd',
      db: 3,
    })
    // As everywhere, the last @ is the one that counts.
    expect(parseRedisUrl('redis://me:p@ss@host', 'url')).toMatchObject({ password: 'p@ss' })
    expect(parseRedisUrl('redis://:secret@[::1]:7000/', 'url')).toMatchObject({
      endpoints: [{ host: '::1', port: 7000 }],
      username: undefined,
      password: 'secret',
      db: undefined,
    })
    expect(parseRedisUrl('rediss+cluster://:s@a:1,b:2,c', 'url')).toMatchObject({
      endpoints: [
        { host: 'a', port: 1 },
        { host: 'b', port: 2 },
        { host: 'c', port: 6379 },
      ],
      tls: true,
      cluster: true,
      password: 's',
    })
  })

  it.each([
    'http://localhost',
    'localhost:6379',
    'redis://',
    'redis://host:0',
    'redis://host:65536',
    'redis://host:port',
    'redis://a:1,b:2',
    'redis+cluster://a:1,,b:2',
    'redis://host/zero',
    'redis://host/1/2',
    'redis://host?db=1',
    'redis://::1:7000',
    'redis://me:%zz@host',
    '',
  ])('refuses %j', (url) => {
    expect(() => parseRedisUrl(url, 'urls[1]')).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option: 'urls[1]' }),
    )
  })

  it.each([
    'redis://me:secret@host:port',
    'redis://me:sec/secret@host',
    'redis://me:sec@secret@host:port',
    'redis://:secret%zz@host',
    'http://me:secret@host',
    'redis://me:secret@a:1,b:2',
  ])('tells no password of %j', (url) => {
    const thrown = (): string => {
      try {
        parseRedisUrl(url, 'url')
        return 'nothing'
      } catch (error) {
        return `${String(error)} ${JSON.stringify(error)}`
      }
    }
    expect(thrown()).toContain('***@')
    expect(thrown()).not.toContain('sec')
  })
})
