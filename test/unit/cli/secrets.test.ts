import { describe, expect, it } from '@jest/globals'
import { Secrets } from '../../../src/cli/secrets.ts'

describe('Secrets', () => {
  it('masks user and password of every URL', () => {
    const secrets = new Secrets()
    expect(secrets.mask('cannot reach redis://app:geheim@h:1/2, nor rediss+cluster://:x@h')).toBe(
      'cannot reach redis://***@h:1/2, nor rediss+cluster://***@h',
    )
    expect(secrets.mask('redis://h:1 and lmdb:./a@b')).toBe('redis://h:1 and lmdb:./a@b')
  })

  it('masks a known password wherever it stands, written and decoded', () => {
    const secrets = new Secrets()
    secrets.learn('redis://app:s%40cret%2F1@h')
    expect(secrets.mask('AUTH app s@cret/1 or s%40cret%2F1')).toBe('AUTH app *** or ***')
  })

  it('learns nothing from a URL without a password, or a broken one', () => {
    const secrets = new Secrets()
    secrets.learn('redis://h:6379')
    secrets.learn('lmdb:./store')
    secrets.learn('redis://:%zz1@h')
    expect(secrets.mask('h 6379 store')).toBe('h 6379 store')
    expect(secrets.mask('%zz1')).toBe('***')
  })
})
