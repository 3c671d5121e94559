import { describe, expect, it } from '@jest/globals'
import { announcesAll, withAll } from '../../../../src/adapters/redis/notification-setting.ts'

describe('notify-keyspace-events', () => {
  it.each(['KA', 'AKE', 'K$gxelsz', 'zslexg$K', 'AKEnm'])(
    '%s announces all that can happen to a string',
    (flags) => {
      expect(announcesAll(flags)).toBe(true)
    },
  )

  it.each(['', 'A', 'AE', 'K', 'K$gx', 'K$gxe', 'Kg$lszx', 'Ex'])('%s does not', (flags) => {
    expect(announcesAll(flags)).toBe(false)
  })

  it('is added to, not replaced', () => {
    expect(withAll('')).toBe('KA')
    expect(withAll('Ex')).toBe('ExKA')
    expect(withAll('nmK')).toBe('nmKA')
    for (const flags of ['', 'Ex', 'Km', 'n']) expect(announcesAll(withAll(flags))).toBe(true)
  })
})
