import { Agent } from '../src/index.ts'
import type { Transport } from '../src/index.ts'
import type { Measurement, Side } from './scenario.ts'
import { perSecond } from './workload.ts'

/** What both sides' receivers do with every pair. */
export class Look {
  readonly #expected: number
  #pairs = 0
  #bytes = 0

  constructor(expected: number) {
    this.#expected = expected
  }

  at(key: string, value: Uint8Array): void {
    this.#pairs++
    this.#bytes += key.length + value.length
  }

  all(startedAt: number): Measurement {
    if (this.#pairs !== this.#expected) {
      throw new Error(`${this.#pairs} pairs instead of ${this.#expected}`)
    }
    return { perSecond: perSecond(this.#pairs, startedAt), bytes: this.#bytes }
  }
}

/** From the first connection to a RESYNC of so many pairs, each looked at. */
export function listToResync(transport: Transport, prefix: string, pairs: number): Side {
  const agent = new Agent({ transport })
  const looked = new Look(pairs)
  agent.watch('list', prefix).handle({
    resync: ({ values }) => {
      for (const [, under] of values) for (const { key, bytes } of under) looked.at(key, bytes)
    },
  })
  return {
    sample: async () => {
      const startedAt = performance.now()
      await agent.start()
      return looked.all(startedAt)
    },
    close: () => agent.close(),
  }
}
