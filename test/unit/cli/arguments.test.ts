import { describe, expect, it } from '@jest/globals'
import {
  collect,
  parseDuration,
  parsePositiveDuration,
  parseSetting,
} from '../../../src/cli/arguments.ts'

describe('parseDuration', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5m', 90_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
    ['0', 0],
    ['0s', 0],
  ])('reads %s', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  it.each(['', '5', '-1s', 's', '1w', '1 s', '1e3ms', 'NaN'])('refuses %j', (text) => {
    expect(() => parseDuration(text)).toThrow('unit')
  })

  it('takes no 0 where time is needed', () => {
    expect(() => parsePositiveDuration('0')).toThrow('at least 1ms')
    expect(parsePositiveDuration('1ms')).toBe(1)
  })
})

describe('parseSetting', () => {
  it('reads numbers, booleans and text, and gathers what comes', () => {
    const texts = ['a=1', 'b=true', 'c=false', 'd=text', 'e=', 'f=-0.5', 'g=1=2', 'a=3']
    const settings = texts.reduce<Readonly<Record<string, unknown>> | undefined>(
      (before, text) => parseSetting(text, before),
      undefined,
    )
    expect(settings).toEqual({ a: 3, b: true, c: false, d: 'text', e: '', f: -0.5, g: '1=2' })
  })

  it('leads into inner objects by dots', () => {
    const first = parseSetting('options.db=2')
    expect(parseSetting('options.username=app', first)).toEqual({
      options: { db: 2, username: 'app' },
    })
    expect(first).toEqual({ options: { db: 2 } })
  })

  it('keeps __proto__ a name like others', () => {
    const settings = parseSetting('__proto__.polluted=1')
    expect(Object.hasOwn(settings, '__proto__')).toBe(true)
    expect(Object.prototype).not.toHaveProperty('polluted')
  })

  it.each(['a', '=1', ''])('refuses %j', (text) => {
    expect(() => parseSetting(text)).toThrow('name=value')
  })
})

describe('collect', () => {
  it('keeps the order', () => {
    expect(collect('b', collect('a'))).toEqual(['a', 'b'])
  })
})
