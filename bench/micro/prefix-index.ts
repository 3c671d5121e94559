import { PrefixIndex } from '../../src/kit/prefix-index.ts'
import type { Micro } from '../micro.ts'
import { agentKey, agentPrefix } from '../workload.ts'

const KEYS = 10_000
const keys = Array.from({ length: KEYS }, (_, i) => agentKey(i))

/** How many prefixes begin a key: what routing one change costs. */
export const micro: Micro = {
  title: 'Prefix index: look-up of one key',
  operations: KEYS,
  tasks: {
    '1 prefix': lookUps(['/agents/']),
    '10 000 prefixes of one length': lookUps(keys.map((_, i) => agentPrefix(i))),
    '10 000 prefixes of 8 lengths': lookUps(keys.map((key, i) => key.slice(0, 10 + (i % 8)))),
  },
}

function lookUps(prefixes: readonly string[]): () => () => void {
  return () => {
    const index = new PrefixIndex<true>()
    for (const prefix of prefixes) index.set(prefix, true)
    let found = 0
    const visit = (): void => {
      found++
    }
    return () => {
      for (const key of keys) index.match(key, visit)
      if (found === 0) throw new Error('nothing was found')
    }
  }
}
