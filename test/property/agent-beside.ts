import { raw } from '../../src/index.ts'
import type { Agent } from '../../src/index.ts'
import { uniquePrefix } from '../support/contract.ts'
import type { World } from './watch-model.ts'

/** Of a world where another agent of the same store, which no fault reaches, writes and tells what is stored. */
export function agentBeside(beside: Agent): Pick<World, 'prefix' | 'write' | 'stored'> {
  const prefix = uniquePrefix()
  return {
    prefix,
    write: async (op) =>
      op.do === 'delete' ? beside.delete(op.key) : beside.put(op.key, raw(Buffer.from(op.value))),
    stored: async () => {
      const pairs = new Map<string, string>()
      for await (const { key, bytes } of beside.list(prefix)) {
        pairs.set(key, Buffer.from(bytes).toString())
      }
      return pairs
    },
  }
}
