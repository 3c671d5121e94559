import { expect, it } from '@jest/globals'
import { Agent, memory, raw } from '../../../src/index.ts'
import type { Instrumentation } from '../../../src/index.ts'
import { waitFor } from '../../support/wait-for.ts'

const text = (value: string): ReturnType<typeof raw> => raw(new TextEncoder().encode(value))

it('instrumentation that throws costs nobody an event', async () => {
  const broken = (): never => {
    throw new Error('no telemetry today')
  }
  const instrumentation: Instrumentation = {
    handling: broken,
    overflow: broken,
    reconnect: broken,
    changes: broken,
    write: broken,
    registered: broken,
    unregistered: broken,
    attached: broken,
    detached: broken,
  }
  const logged: string[] = []
  const log = (_fields: object, message: string): void => void logged.push(message)
  const logger = { debug: log, info: log, warn: log, error: log }
  await using agent = new Agent({ transport: memory(), instrumentation, logger })
  const seen: string[] = []
  agent.watch('one', '/k/').handle({ change: (event) => void seen.push(event.key) })
  await agent.start()
  await agent.put('/k/a', text('1'), { waitFor: 'applied' })
  await agent.put('/k/b', text('1'), { waitFor: 'applied' })
  expect(seen).toEqual(['/k/a', '/k/b'])
  expect(new Set(logged)).toEqual(new Set(['instrumentation failed']))
})

it('a handling whose end throws, and a receiver that throws within one', async () => {
  const instrumentation: Instrumentation = {
    handling: () => ({
      within: (receiver) => receiver(),
      end: () => {
        throw new Error('no telemetry today')
      },
    }),
  }
  await using agent = new Agent({ transport: memory(), instrumentation })
  const registration = agent.watch('one', '/k/', { onRefusal: 'continue' })
  registration.handle({
    change: () => {
      throw new Error('refused')
    },
  })
  await agent.start()
  await expect(agent.put('/k/a', text('1'), { waitFor: 'applied' })).rejects.toMatchObject({
    code: 'SYNC_REFUSED',
  })
  expect(registration.status.refusals).toBe(1)
})

const unreadable = new Proxy(new Error('seen by nobody'), {
  get: () => {
    throw new Error('trap')
  },
})

it.each([
  ['a logger that throws', new Error('refused'), true],
  ['a thrown value that cannot be looked at', unreadable, false],
  ['an object without a prototype', Object.create(null) as unknown, false],
])('%s costs nobody an event: what was refused is told again', async (_name, thrown, mute) => {
  const fails = (): never => {
    throw new Error('disk full')
  }
  const logger = { debug: fails, info: fails, warn: fails, error: fails }
  await using agent = new Agent({
    transport: memory(),
    random: () => 0,
    ...(mute ? { logger } : {}),
  })
  const reasons: string[] = []
  agent.watch('one', '/k/').handle({
    resync: (event) => void reasons.push(event.reason),
    change: () => {
      throw thrown
    },
  })
  await agent.start()
  const put = agent.put('/k/a', text('1'), { waitFor: 'applied' })
  await expect(put).rejects.toMatchObject({ code: 'SYNC_REFUSED' })
  await waitFor(() => reasons.length === 2)
  expect(reasons).toEqual(['startup', 'refused'])
})
