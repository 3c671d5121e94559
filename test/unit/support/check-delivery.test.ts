import { describe, expect, it } from '@jest/globals'
import { checkDelivery } from '../../support/check-delivery.ts'
import type { CheckOptions, DeliveryEntry, SeenPair } from '../../support/check-delivery.ts'

const pair = (key: string, value: string, revision = 1): SeenPair => ({ key, value, revision })

/** `put /a 2 rev 5 was 1`, shortly. */
function put(key: string, value: string, revision: number, was?: string): DeliveryEntry {
  const prev = was === undefined ? undefined : pair(key, was)
  return { kind: 'put', key, value, revision, prev }
}

function del(key: string, revision: number, was?: string): DeliveryEntry {
  return { kind: 'delete', key, revision, prev: was === undefined ? undefined : pair(key, was) }
}

function resync(
  pairs: readonly SeenPair[],
  reason: 'startup' | 'refused' = 'refused',
): DeliveryEntry {
  return { kind: 'resync', reason, values: new Map([['/', pairs]]) }
}

/** Each event is answered at once unless the next entry answers, aborts or is `open`. */
const OPEN = 'open' as const
function answered(entries: readonly (DeliveryEntry | 'open' | 'refused' | 'aborted')[]) {
  const log: DeliveryEntry[] = []
  let event = -1
  for (const [i, entry] of entries.entries()) {
    if (entry === OPEN) continue
    if (entry === 'refused') log.push({ kind: 'answered', event, refused: true })
    else if (entry === 'aborted') log.push({ kind: 'aborted', event })
    else {
      log.push(entry)
      if (entry.kind !== 'resync' && entry.kind !== 'put' && entry.kind !== 'delete') continue
      event++
      const next = entries[i + 1]
      if (typeof next !== 'string' && next?.kind !== 'answered') {
        log.push({ kind: 'answered', event, refused: false })
      }
    }
  }
  return log
}

function broken(
  entries: readonly (DeliveryEntry | 'open' | 'refused' | 'aborted')[],
  options?: CheckOptions,
): string[] {
  return checkDelivery(answered(entries), options).map(({ rule, event }) => `${rule}@${event}`)
}

const start = resync([pair('/a', '1', 1), pair('/b', '1', 2)], 'startup')

describe('checkDelivery finds nothing in', () => {
  it.each<[string, Parameters<typeof broken>[0], CheckOptions?]>([
    ['puts and deletes', [start, put('/a', '2', 3, '1'), del('/a', 4, '2'), put('/a', '3', 5)]],
    ['an empty start', [resync([], 'startup'), put('/a', '1', 1)]],
    ['a value of no bytes', [start, put('/a', '', 3, '1'), put('/a', '1', 4, '')]],
    [
      'a RESYNC that goes back in revisions',
      [start, resync([pair('/a', '9', 1)]), put('/a', '2', 2, '9')],
    ],
    ['refused RESYNCs', [start, 'refused', resync([]), 'aborted', resync([]), put('/c', '1', 1)]],
    [
      'a refused change and its RESYNC',
      [start, put('/a', '2', 3, '1'), 'refused', resync([pair('/a', '2', 3)])],
    ],
    [
      'a refused change that is passed over: it is in the fold',
      [start, put('/a', '2', 3, '1'), 'refused', put('/a', '3', 4, '2')],
      { onRefusal: 'continue' },
    ],
    [
      'a refused change that comes again, twice',
      [
        start,
        put('/a', '2', 3, '1'),
        'refused',
        put('/a', '2', 3, '1'),
        'aborted',
        put('/a', '2', 3, '1'),
        put('/b', '2', 4, '1'),
      ],
      { onRefusal: 'retry' },
    ],
    [
      'a refused change that comes again in its newest form',
      [start, put('/a', '2', 3, '1'), 'refused', del('/a', 6, '1'), put('/a', '4', 7)],
      { onRefusal: 'retry', delivery: 'latest' },
    ],
    [
      'a refused change that was taken back meanwhile',
      [start, put('/a', '2', 3, '1'), 'refused', put('/b', '2', 5, '1'), put('/a', '3', 8, '1')],
      { onRefusal: 'retry', delivery: 'latest' },
    ],
    [
      'a late done of a change, which cancels the repetition',
      [
        start,
        put('/a', '2', 3, '1'),
        'aborted',
        { kind: 'answered', event: 1, refused: false },
        put('/a', '3', 4, '2'),
      ],
      { onRefusal: 'retry' },
    ],
    [
      'a late done of a RESYNC',
      [start, 'aborted', { kind: 'answered', event: 0, refused: false }, put('/a', '2', 3, '1')],
    ],
    ['the same bytes twice, by revision', [start, put('/a', '1', 3, '1')]],
    [
      'a checkpoint that is gone on from',
      [put('/a', '2', 8, '1'), del('/a', 9, '2')],
      { resumed: { prefixes: ['/'], pairs: [pair('/a', '1', 7)] } },
    ],
    [
      'a prefix that was taken away',
      [
        {
          kind: 'resync',
          reason: 'startup',
          values: new Map([
            ['/a/', [pair('/a/1', 'x')]],
            ['/b/', []],
          ]),
        },
        { kind: 'unregistered', prefix: '/a/' },
        put('/b/1', 'y', 2),
      ],
    ],
    ['keys in the order of UTF-8', [resync([pair('/\uff5e', '1'), pair('/😀', '1')], 'startup')]],
  ])('%s', (...[, entries, options]) => {
    expect(broken(entries, options)).toEqual([])
  })
})

describe('checkDelivery finds', () => {
  it.each<[string, string[], Parameters<typeof broken>[0], CheckOptions?]>([
    ['a CHANGE first', ['C1@0', 'scope@0'], [put('/a', '1', 1)]],
    ['a first RESYNC with another reason', ['C1@0'], [resync([])]],
    ['a CHANGE while the RESYNC is open', ['C6@1', 'C1@1'], [start, OPEN, put('/a', '2', 3, '1')]],
    ['a CHANGE after a refused RESYNC', ['C1@1'], [start, 'refused', put('/a', '2', 3, '1')]],
    [
      'a CHANGE after a RESYNC that ran out of time',
      ['C1@1'],
      [start, 'aborted', put('/a', '2', 3, '1')],
    ],
    ['a revision that does not grow', ['C2@1'], [start, put('/b', '2', 2, '1')]],
    ['a revision that falls', ['C2@2'], [start, put('/a', '2', 5, '1'), put('/a', '3', 4, '2')]],
    ['a wrong previous value', ['C4@1'], [start, put('/a', '2', 3, '0')]],
    ['a missing previous value', ['C4@1'], [start, put('/a', '2', 3)]],
    ['a previous value of nothing', ['C4@1'], [start, put('/c', '2', 3, '1')]],
    ['a deleted key without previous value', ['C4@1'], [start, del('/a', 3)]],
    [
      'a previous value of another key',
      ['C4@1'],
      [start, { kind: 'put', key: '/a', value: '2', revision: 3, prev: pair('/b', '1') }],
    ],
    ['a delete of nothing', ['C5@1'], [start, del('/c', 3)]],
    [
      'the same bytes, where they tell',
      ['C5@1'],
      [start, put('/a', '1', 3, '1')],
      { storeRevisions: false },
    ],
    ['two events at once', ['C6@2'], [start, put('/a', '2', 3, '1'), OPEN, put('/b', '2', 4, '1')]],
    [
      'a change after a refused one',
      ['C7@2'],
      [start, put('/a', '2', 3, '1'), 'refused', put('/b', '2', 4, '1')],
    ],
    [
      'a repetition without being asked',
      ['C7@2', 'C4@2', 'C2@2'],
      [start, put('/a', '2', 3, '1'), 'refused', put('/a', '2', 3, '1')],
    ],
    [
      'a change that overtakes the one to be repeated',
      ['C7@2'],
      [start, put('/a', '2', 3, '1'), 'refused', put('/b', '2', 4, '1')],
      { onRefusal: 'retry' },
    ],
    [
      'a repetition with another previous value',
      ['C4@2'],
      [start, put('/a', '2', 3, '1'), 'refused', put('/a', '2', 3, '2')],
      { onRefusal: 'retry' },
    ],
    [
      'a repetition of a change that was passed over',
      ['C4@2', 'C2@2'],
      [start, put('/a', '2', 3, '1'), 'refused', put('/a', '2', 3, '1')],
      { onRefusal: 'continue' },
    ],
    ['an event after the close', ['C11@1'], [start, { kind: 'closed' }, put('/a', '2', 3, '1')]],
    [
      'keys that do not ascend',
      ['view@0'],
      [resync([pair('/b', '1'), pair('/a', '1')], 'startup')],
    ],
    ['a key twice', ['view@0'], [resync([pair('/a', '1'), pair('/a', '1')], 'startup')]],
    [
      'keys in the order of UTF-16',
      ['view@0'],
      [resync([pair('/😀', '1'), pair('/\uff5e', '1')], 'startup')],
    ],
    ['a key under a foreign prefix', ['view@0'], [resync([pair('a', '1')], 'startup')]],
    [
      'prefixes that differ in a key',
      ['view@0'],
      [
        {
          kind: 'resync',
          reason: 'startup',
          values: new Map([
            ['/', [pair('/a/1', 'x')]],
            ['/a/', [pair('/a/1', 'y')]],
          ]),
        },
      ],
    ],
    [
      'a key that stands under one of its prefixes only',
      ['view@0'],
      [
        {
          kind: 'resync',
          reason: 'startup',
          values: new Map([
            ['/', [pair('/a/1', 'x')]],
            ['/a/', []],
          ]),
        },
      ],
    ],
    ['a change of a foreign key', ['scope@1'], [start, put('x', '1', 9)]],
    [
      'a change under a prefix that was taken away',
      ['scope@1'],
      [start, { kind: 'unregistered', prefix: '/' }, put('/a', '2', 9)],
    ],
    [
      'a checkpoint that is not gone on from',
      ['C4@0'],
      [put('/a', '3', 8, '2')],
      { resumed: { prefixes: ['/'], pairs: [pair('/a', '1', 7)] } },
    ],
  ])('%s', (...[, expected, entries, options]) => {
    expect(broken(entries, options)).toEqual(expected)
  })

  it('each of several, with a message to read', () => {
    const violations = checkDelivery(
      answered([start, put('/a', 'x'.repeat(100), 1, '7'), del('/c', 2)]),
    )
    expect(violations.map(({ message }) => message)).toEqual([
      `C4, event 1: put /a=${'x'.repeat(40)}… 100 (was 7): previous value 7, the fold holds 1`,
      `C2, event 1: put /a=${'x'.repeat(40)}… 100 (was 7): revision 1 comes after 1`,
      'C5, event 2: delete /c: deletes what the fold lacks',
    ])
  })
})
