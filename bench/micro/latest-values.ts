import type { RawPair } from '../../src/api/transport.ts'
import { LatestValues } from '../../src/source/latest-values.ts'
import type { Micro } from '../micro.ts'
import { agentKey, makeValues } from '../workload.ts'

const KEYS = 100_000
const [value] = makeValues(1) as [Uint8Array]
const pairs = Array.from({ length: KEYS }, (_, i): RawPair => pair((i * 7_919) % KEYS))

/** The sorted view of a RESYNC over 100 000 keys. */
export const micro: Micro = {
  title: 'Latest values: view of 100 000 keys',
  tasks: {
    'first, after the list': () => () => {
      filled().view('')
    },
    'again, nothing new': () => {
      const values = filled()
      return () => void values.view('')
    },
    'again, 1 000 new keys': () => {
      const values = filled()
      let next = KEYS
      return () => {
        for (let i = 0; i < 1_000; i++) values.put(pair(next++))
        values.view('')
      }
    },
  },
}

function filled(): LatestValues {
  const values = new LatestValues()
  for (const each of pairs) values.put(each)
  return values
}

function pair(i: number): RawPair {
  return { key: agentKey(i), value, revision: i, version: '' }
}
