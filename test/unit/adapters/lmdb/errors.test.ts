import { describe, expect, it } from '@jest/globals'
import { commitError, openError } from '../../../../src/adapters/lmdb/errors.ts'
import { ClosedError } from '../../../../src/api/errors.ts'

const place = { name: 'store', path: '/data' }

function coded(code: string | number): Error {
  return Object.assign(new Error('as the driver says'), { code })
}

describe('errors of the driver', () => {
  it.each([
    [-30793, 'SYNC_STORE_CORRUPT'],
    [-30796, 'SYNC_STORE_CORRUPT'],
    [-30794, 'SYNC_STORE_CORRUPT'],
    [13, 'SYNC_ACCESS_DENIED'],
    ['EACCES', 'SYNC_ACCESS_DENIED'],
    ['EROFS', 'SYNC_ACCESS_DENIED'],
    ['ENOTDIR', 'SYNC_INVALID_OPTION'],
    ['EEXIST', 'SYNC_INVALID_OPTION'],
    [-30790, 'SYNC_UNAVAILABLE'],
    ['EMFILE', 'SYNC_UNAVAILABLE'],
    ['ESOMETHING', 'SYNC_UNAVAILABLE'],
  ])('open: %s is %s', (code, expected) => {
    const cause = coded(code)
    expect(openError(cause, place)).toMatchObject({ code: expected, cause })
  })

  it.each([28, 'ENOSPC', 5, -30792, undefined] as const)('commit: %s is unavailable', (code) => {
    const cause = code === undefined ? new Error('?') : coded(code)
    for (const outcome of ['not-applied', 'unknown'] as const) {
      expect(commitError(cause, place, outcome)).toMatchObject({
        code: 'SYNC_UNAVAILABLE',
        outcome,
        transport: 'store',
        cause,
      })
    }
  })

  it('commit: a damaged file is told', () => {
    expect(commitError(coded(-30796), place, 'unknown')).toMatchObject({
      code: 'SYNC_STORE_CORRUPT',
    })
  })

  it('passes on what is ours', () => {
    const ours = new ClosedError('x')
    expect(openError(ours, place)).toBe(ours)
    expect(commitError(ours, place, 'unknown')).toBe(ours)
  })
})
