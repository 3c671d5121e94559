import { describe, expect, it } from '@jest/globals'
import { TransportUnavailableError } from '../../../../src/api/errors.ts'
import { raw } from '../../../../src/api/message.ts'
import type { Transport } from '../../../../src/api/transport.ts'
import { Agent, memory } from '../../../../src/index.ts'
import { KeyMapping } from '../../../../src/cli/mirror/key-mapping.ts'
import { Mirror } from '../../../../src/cli/mirror/mirror.ts'
import { onTeardown } from '../../../support/teardown.ts'
import { waitFor } from '../../../support/wait-for.ts'
import { listOf } from '../../../../src/kit/list-of.ts'

describe('Mirror', () => {
  it('loses no write that fails, whenever it fails', async () => {
    const target = new Breakable()
    const { source, copy } = await mirrored(target.transport)
    for (let round = 0; round < 20; round++) {
      target.toFail = round % 3
      const writes = Array.from({ length: 50 }, (_, i) =>
        source.put(`/m/${i}`, raw(Buffer.from(`${round}.${i}`))),
      )
      await Promise.all(writes)
      await source.delete(`/m/${round}`)
    }
    await equal(source, copy)
    expect(target.failures).toBeGreaterThan(0)
  })

  it('writes changes in batches, without waiting for each', async () => {
    const target = new Breakable()
    const { source, copy } = await mirrored(target.transport)
    const before = target.commits
    const writes = Array.from({ length: 2_000 }, (_, i) =>
      source.put(`/m/${i}`, raw(Buffer.from(String(i)))),
    )
    await Promise.all(writes)
    await equal(source, copy)
    expect(target.commits - before).toBeLessThan(200)
  })
})

/** A source and a copy that follows it. */
async function mirrored(transport: Transport): Promise<{ source: Agent; copy: Agent }> {
  // Back-offs of a tenth: full jitter, at its least.
  const source = new Agent({ transport: memory(), random: () => 0 })
  const copy = new Agent({ transport })
  onTeardown(() => Promise.all([source.close(), copy.close()]))
  const mirror = new Mirror({
    target: copy,
    ready: () => Promise.resolve(),
    prefixes: ['/m/'],
    keys: new KeyMapping('', '', ['/m/']),
    writing: () => {},
    dryRun: undefined,
    lost: (error) => source.reportError('mirror', error),
  })
  const registration = source.watch('mirror', '/m/', { delivery: 'latest' })
  registration.handle({
    resync: (event) => mirror.resync(event),
    change: (event) => mirror.change(event),
  })
  await source.start()
  return { source, copy }
}

/** A memory whose commits fail on command; every other failure is of a write that was applied. */
class Breakable {
  commits = 0
  failures = 0
  /** So many of the next commits fail. */
  toFail = 0
  readonly transport: Transport

  constructor() {
    const inner = memory()
    this.transport = {
      name: inner.name,
      capabilities: inner.capabilities,
      livenessMs: inner.livenessMs ?? 0,
      open: (io) => inner.open(io),
      stream: (prefixes, from, io) => inner.stream(prefixes, from, io),
      list: (prefix, io) => listOf(inner, prefix, io),
      get: (keys, io) => inner.get(keys, io),
      commit: async (ops, options, io) => {
        this.commits++
        if (this.toFail === 0) return inner.commit(ops, options, io)
        this.toFail--
        const applied = this.failures++ % 2 === 1
        if (applied) await inner.commit(ops, options, io)
        const outcome = applied ? 'unknown' : 'not-applied'
        throw new TransportUnavailableError('target', 'broken', { outcome })
      },
      close: () => inner.close(),
    }
  }
}

async function equal(source: Agent, copy: Agent): Promise<void> {
  await waitFor(async () => {
    const [want, have] = await Promise.all([contents(source), contents(copy)])
    return JSON.stringify(want) === JSON.stringify(have)
  })
}

async function contents(agent: Agent): Promise<[string, string][]> {
  const pairs: [string, string][] = []
  for await (const { key, bytes } of agent.list('/m/'))
    pairs.push([key, Buffer.from(bytes).toString()])
  return pairs
}
