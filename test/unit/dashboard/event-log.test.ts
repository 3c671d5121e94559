import { describe, expect, it } from '@jest/globals'
import {
  append,
  CAPACITY,
  EMPTY_LOG,
  goOn,
  ofRefusal,
  ofWatch,
  pause,
} from '../../../src/dashboard/page/event-log.ts'
import type { Entry } from '../../../src/dashboard/page/event-log.ts'
import { routeOf } from '../../../src/dashboard/page/address.ts'

const entries = (from: number, to: number): Omit<Entry, 'id'>[] =>
  Array.from({ length: to - from }, (_, i) => ({
    at: 0,
    kind: 'note',
    subject: `${from + i}`,
    text: '',
  }))
const subjects = (list: readonly Entry[]): string[] => list.map(({ subject }) => subject)

describe('the event log of the page', () => {
  it('keeps the last ones, newest first, each with a number of its own', () => {
    let log = append(EMPTY_LOG, entries(0, 3))
    expect(subjects(log.entries)).toEqual(['2', '1', '0'])
    log = append(log, entries(3, CAPACITY + 10))
    expect(log.entries).toHaveLength(CAPACITY)
    expect(log.entries[0]?.subject).toBe(`${CAPACITY + 9}`)
    expect(new Set(log.entries.map(({ id }) => id)).size).toBe(CAPACITY)
  })

  it('holds what comes while it is paused, as many as it keeps, and counts all', () => {
    let log = pause(append(EMPTY_LOG, entries(0, 2)))
    log = append(log, entries(2, CAPACITY + 20))
    expect(subjects(log.entries)).toEqual(['1', '0'])
    expect(log.held).toHaveLength(CAPACITY)
    expect(log.heldCount).toBe(CAPACITY + 18)
    log = goOn(log)
    expect(log).toMatchObject({ paused: false, held: [], heldCount: 0 })
    expect(log.entries).toHaveLength(CAPACITY)
    expect(log.entries[0]?.subject).toBe(`${CAPACITY + 19}`)
  })
})

it('writes out what would turn a line around, in the keys that it names', () => {
  const refusal = { id: 1, registration: 'r', at: 0, kind: 'change', result: 'refused' } as const
  expect(ofRefusal({ ...refusal, key: '/a/\u202eb', error: 'no' }).text).toBe(
    'CHANGE of /a/\\u202eb refused: no',
  )
  expect(ofWatch({ state: 'live', pairs: 1, at: 0 }, '/a/\u202e').subject).toBe('/a/\\u202e')
})

describe('the address bar', () => {
  it.each([
    ['', { view: 'overview' }],
    ['#nothing', { view: 'overview' }],
    ['#runs', { view: 'runs' }],
    ['#keys/memory/%2Fa%2F', { view: 'keys', transport: 'memory', prefix: '/a/' }],
    ['#keys/m/%2Fa%2Fb/open', { view: 'keys', transport: 'm', prefix: '/a/', key: '/a/b' }],
    ['#keys/m/%E0%A4%A', { view: 'keys', transport: 'm', prefix: '%E0%A4%A' }],
  ])('%s', (hash, route) => {
    expect(routeOf(hash)).toMatchObject(route)
  })
})
