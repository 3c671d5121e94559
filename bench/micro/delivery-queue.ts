import { createDeliveryQueue } from '../../src/engine/delivery-queue.ts'
import { pendingChange } from '../../src/engine/pending-change.ts'
import type { RawPair } from '../../src/api/transport.ts'
import type { Feed } from '../../src/source/source.ts'
import { LatestValues } from '../../src/source/latest-values.ts'
import type { Micro } from '../micro.ts'
import { agentKey, makeValues } from '../workload.ts'

const values = makeValues(64)
const pairs = Array.from({ length: 1_024 }, (_, i): RawPair => ({
  key: agentKey(i % 512),
  value: values[i % 64] as Uint8Array,
  revision: i,
  version: '',
}))
const feed: Feed = { live: true, values: new LatestValues(), position: undefined }

/** A burst of 1 024 changes of 512 keys goes in, then out. */
export const micro: Micro = {
  title: 'Delivery queue: one change in and out, in bursts of 1 024',
  operations: pairs.length,
  tasks: { all: burst('all'), latest: burst('latest') },
}

function burst(delivery: 'all' | 'latest'): () => () => void {
  return () => {
    const queue = createDeliveryQueue(delivery)
    return () => {
      for (const [i, next] of pairs.entries()) {
        const prev = pairs[(i + 512) % 1_024]
        const change = { key: next.key, prev, next, revision: i }
        queue.push(pendingChange(change, feed, undefined, 0, undefined))
      }
      while (queue.shift() !== undefined) continue
    }
  }
}
