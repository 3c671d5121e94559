import { describe, expect, it } from '@jest/globals'
import { Agent, memory, raw } from '../../../src/index.ts'
import type { Instrumentation } from '../../../src/index.ts'
import { instrumentations } from '../../../src/telemetry/index.ts'
import { onTeardown } from '../../support/teardown.ts'

const EVENT = { transport: 't', registration: 'r', kind: 'change' } as const

describe('instrumentations', () => {
  it('tells all of them, in order', async () => {
    const log: string[] = []
    const agent = new Agent({
      transport: memory(),
      instrumentation: instrumentations(recorder('a', log), {}, recorder('b', log)),
    })
    onTeardown(() => agent.close())
    agent.watch('receiver', '/a/').handle({})
    await agent.start()
    await agent.put('/a/1', raw(Uint8Array.of(1)), { waitFor: 'applied' })
    await agent.close()
    const of = (name: string): string[] =>
      log.filter((line) => line.startsWith(name)).map((line) => line.slice(2))
    expect(of('a')).toEqual([
      'attached',
      'registered',
      'handling resync',
      'end acked',
      'changes 1',
      'handling change',
      'end acked',
      'write ok',
      'unregistered',
      'detached',
    ])
    expect(of('b')).toEqual(of('a'))
    expect(log.slice(0, 2)).toEqual(['a attached', 'b attached'])
  })

  it('nests their contexts around the receiver', () => {
    const log: string[] = []
    const around = (name: string): Instrumentation => ({
      handling: () => ({
        within: (receiver) => {
          log.push(`${name} before`)
          const result = receiver()
          log.push(`${name} after`)
          return result
        },
        end: () => {},
      }),
    })
    const all = instrumentations(around('a'), { handling: () => ({ end: () => {} }) }, around('b'))
    expect(all.handling?.(EVENT).within?.(() => log.push('receiver'))).toBe(3)
    expect(log).toEqual(['a before', 'b before', 'receiver', 'b after', 'a after'])
  })

  it('costs nothing per event where nobody follows events', () => {
    expect(instrumentations({}, {})).not.toHaveProperty('handling')
    const followed = instrumentations({ handling: () => ({ end: () => {} }) })
    expect(followed.handling?.(EVENT)).not.toHaveProperty('within')
  })
})

function recorder(name: string, log: string[]): Instrumentation {
  return {
    handling: ({ kind }) => {
      log.push(`${name} handling ${kind}`)
      return { end: (result) => log.push(`${name} end ${result}`) }
    },
    changes: ({ count }) => log.push(`${name} changes ${count}`),
    write: ({ result }) => log.push(`${name} write ${result}`),
    registered: () => log.push(`${name} registered`),
    unregistered: () => log.push(`${name} unregistered`),
    attached: () => log.push(`${name} attached`),
    detached: () => log.push(`${name} detached`),
  }
}
