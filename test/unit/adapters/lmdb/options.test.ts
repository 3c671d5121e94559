import { describe, expect, it } from '@jest/globals'
import { lmdb } from '../../../../src/adapters/lmdb/index.ts'
import type { LmdbOptions } from '../../../../src/adapters/lmdb/index.ts'
import { settingsOf } from '../../../../src/adapters/lmdb/options.ts'

describe('the options of lmdb()', () => {
  it('have defaults', () => {
    expect(settingsOf({ path: './a' })).toEqual({
      path: './a',
      name: 'lmdb',
      readOnly: false,
      maxValueBytes: 8 * 1024 * 1024,
      historyLimit: 1_000,
    })
  })

  it('undefined counts as absent', () => {
    const given = { path: 'a', name: undefined, mapSize: undefined } as unknown as LmdbOptions
    expect(settingsOf(given)).toEqual(settingsOf({ path: 'a' }))
  })

  it.each([
    ['path', {}],
    ['path', { path: '' }],
    ['path', { path: 'a\0b' }],
    ['path', { path: 7 }],
    ['name', { path: 'a', name: 1 }],
    ['readOnly', { path: 'a', readOnly: 'yes' }],
    ['maxValueBytes', { path: 'a', maxValueBytes: -1 }],
    ['maxValueBytes', { path: 'a', maxValueBytes: 2 ** 31 }],
    ['mapSize', { path: 'a', mapSize: 1 }],
    ['historyLimit', { path: 'a', historyLimit: 1.5 }],
    ['durability', { path: 'a', durability: 'none' }],
    ['options', undefined],
  ])('names %s in %j', (option, given) => {
    const expected: unknown = expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option })
    expect(() => lmdb(given as unknown as LmdbOptions)).toThrow(expected as Error)
  })

  it('touch nothing before open', () => {
    const transport = lmdb({ path: '/proc/no/such/place', name: 'here' })
    expect(transport.name).toBe('here')
    expect(transport.livenessMs).toBe(0)
    expect(transport.capabilities.maxValueBytes).toBe(8 * 1024 * 1024)
  })

  it('readOnly takes the capabilities of writing away', () => {
    const { capabilities } = lmdb({ path: 'a', readOnly: true })
    expect(capabilities).toMatchObject({
      resumable: false,
      ttl: false,
      conditionalPut: false,
      transactions: false,
      prefixDelete: false,
      waitForApplied: false,
      storeRevisions: true,
    })
  })
})
