import { describe, expect, it } from '@jest/globals'
import { parseClusterView, splitAddress } from '../../../../src/adapters/redis/cluster-view.ts'
import type { ClusterView } from '../../../../src/adapters/redis/cluster-view.ts'
import { hashSlot } from '../../../../src/adapters/redis/hash-slot.ts'
import { SlotMap } from '../../../../src/adapters/redis/slot-map.ts'

const NODES = `
aaa 10.0.0.1:6379@16379,one.example myself,master - 0 1 3 connected 0-5460 7000 [93->-bbb] [77-<-ccc]
bbb 10.0.0.2:6379@16379 master - 0 1 2 connected 5461-6999 7001-10922
ccc 10.0.0.3:6379@16379 master,fail - 0 1 1 disconnected 10923-16383
ddd 10.0.0.4:6379@16379 slave aaa 0 1 3 connected
eee 10.0.0.5:6379@16379 master - 0 1 0 connected
fff 10.0.0.6:6379@16379 master,fail - 0 1 0 disconnected
ggg :0@0 master,noaddr - 0 1 0 disconnected 4-5
hhh 10.0.0.8:6379@16379 handshake,master - 0 1 0 connected
`

describe('CLUSTER NODES and SLOTS', () => {
  const nothing = new Map<string, never>()

  it('tell of the primaries that exist or are missed', () => {
    const view = parseClusterView(NODES, [], 'seed', nothing)
    expect(view.self).toBe('aaa')
    expect(view.moving).toEqual(['[93->-bbb]', '[77-<-ccc]'])
    expect(view.primaries.map(({ id }) => id)).toEqual(['aaa', 'bbb', 'ccc', 'eee'])
    expect(view.primaries[0]).toEqual({
      id: 'aaa',
      endpoint: { host: '10.0.0.1', port: 6379 },
      slots: [
        [0, 5460],
        [7000, 7000],
      ],
      epoch: 3,
    })
  })

  it('are reached where the server prefers, and where the map of addresses says', () => {
    const text = (value: string): Buffer => Buffer.from(value)
    const slots = [
      [
        0,
        5460,
        [text('one.example'), 7000, text('aaa'), []],
        [text('10.0.0.4'), 6379, text('ddd')],
      ],
      [5461, 10922, [text('?'), 7001, text('bbb'), []]],
      [10923, 16383, [null, 7002, text('ccc'), []]],
    ] as never
    const natMap = new Map([['10.0.0.5:6379', { host: 'outside', port: 1 }]])
    const { primaries } = parseClusterView(NODES, slots, 'seed', natMap)
    expect(primaries.map(({ endpoint }) => endpoint)).toEqual([
      { host: 'one.example', port: 7000 },
      { host: 'seed', port: 7001 },
      { host: 'seed', port: 7002 },
      { host: 'outside', port: 1 },
    ])
  })

  it('write IPv6 without brackets, and leave out what they do not know', () => {
    expect(splitAddress('fe80::1:6379', 'seed')).toEqual({ host: 'fe80::1', port: 6379 })
    expect(splitAddress(':6379', 'seed')).toEqual({ host: 'seed', port: 6379 })
  })
})

describe('SlotMap', () => {
  const primary = (
    id: string,
    epoch: number,
    ...slots: [number, number][]
  ): ClusterView['primaries'][number] => ({
    id,
    endpoint: { host: id, port: 1 },
    slots,
    epoch,
  })
  const key = 'foo'
  const slot = hashSlot(key)

  it('believes what each primary says of itself', () => {
    const views: ClusterView[] = [
      {
        self: 'a',
        moving: [],
        primaries: [primary('a', 1, [0, slot - 1]), primary('b', 2, [slot + 1, 16_383])],
      },
      {
        self: 'b',
        moving: [],
        primaries: [primary('a', 1, [0, slot]), primary('b', 2, [slot, 16_383])],
      },
    ]
    const map = SlotMap.agreed(views)
    expect(map.ownerOf(key)).toBe('b')
    expect(map.settled).toBe(true)
    expect(map.moving).toBe(false)
    expect([...map.primaries.keys()]).toEqual(['a', 'b'])
  })

  it('is not settled while nobody claims what somebody owns', () => {
    const views: ClusterView[] = [
      {
        self: 'a',
        moving: [],
        primaries: [primary('a', 1, [0, slot - 1]), primary('b', 1, [slot, 16_383])],
      },
      {
        self: 'b',
        moving: [],
        primaries: [primary('a', 1, [0, slot]), primary('b', 1, [slot + 1, 16_383])],
      },
    ]
    expect(SlotMap.agreed(views).settled).toBe(false)
    expect(SlotMap.agreed(views).ownerOf(key)).toBeUndefined()
  })

  it('lets the higher epoch win, and knows primaries that it did not ask', () => {
    const views: ClusterView[] = [
      {
        self: 'a',
        moving: [],
        primaries: [primary('a', 5, [0, 16_383]), primary('b', 4, [slot, slot]), primary('new', 0)],
      },
      { self: 'b', moving: [], primaries: [primary('a', 5), primary('b', 4, [slot, slot])] },
    ]
    const map = SlotMap.agreed(views)
    expect(map.ownerOf(key)).toBe('a')
    expect([...map.primaries.keys()]).toEqual(['a', 'b', 'new'])
  })

  it('has another digest when a slot changes hands, or begins to move', () => {
    const view = (self: string, moving: string[], first: number): ClusterView => ({
      self,
      moving,
      primaries: [primary('a', 1, [0, first]), primary('b', 1, [first + 1, 16_383])],
    })
    const digest = (moving: string[], first: number): string =>
      SlotMap.agreed([view('a', moving, first), view('b', [], first)]).digest
    expect(digest([], 100)).toBe(digest([], 100))
    expect(digest([], 100)).not.toBe(digest([], 101))
    expect(digest([], 100)).not.toBe(digest(['[100->-b]'], 100))
    const turned = SlotMap.agreed([view('b', [], 100), view('a', [], 100)])
    expect(turned.digest).toBe(digest([], 100))
  })

  it('counts slots as the specification does', () => {
    expect(hashSlot('123456789')).toBe(0x31c3 % 16_384)
    expect(hashSlot('{user1000}.following')).toBe(hashSlot('user1000'))
    expect(hashSlot('foo{}{bar}')).not.toBe(hashSlot('bar'))
    expect(hashSlot('foo{{bar}}zap')).toBe(hashSlot('{bar'))
    expect(hashSlot('foo{bar}{zap}')).toBe(hashSlot('bar'))
  })
})
