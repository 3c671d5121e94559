import { describe, expect, it } from '@jest/globals'
import { memory } from '../../../src/index.ts'
import type { RefusalReport } from '../../../src/index.ts'
import { text } from '../../../src/testing/text.ts'
import { Agent } from '../../../src/agent/agent.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

describe('what an agent tells of itself', () => {
  it('plugins in the order of use, and how far each is', async () => {
    const seen: string[] = []
    const agent = new Agent({ transport: memory() })
    const look = (): void => void seen.push(agent.plugins.map(({ state }) => state).join(' '))
    agent.use({ name: 'a', init: look, afterInit: look, close: look })
    agent.use({ name: 'b', init: look, afterInit: look })
    look()
    await agent.start()
    look()
    await agent.close()
    look()
    expect(agent.plugins.map(({ name }) => name)).toEqual(['a', 'b'])
    expect(seen).toEqual([
      'waiting waiting',
      'init waiting',
      'initialised init',
      'afterInit initialised',
      'started afterInit',
      'started started',
      'started closed',
      'closed closed',
    ])
  })

  it('why a plugin failed, also when it is closed', async () => {
    const agent = new Agent({ transport: memory() }).use({
      name: 'a',
      init: () => {
        throw new Error('no device')
      },
    })
    await expect(agent.start()).rejects.toMatchObject({ code: 'SYNC_PLUGIN_FAILED' })
    expect(agent.plugins).toMatchObject([
      { name: 'a', state: 'failed', error: { message: 'no device' } },
    ])
  })

  it('registrations of all transports in their order, with plugin, transport and prefixes', async () => {
    const agent = new Agent({
      transport: memory(),
      transports: { other: memory({ name: 'other' }) },
    })
    onTeardown(() => agent.close())
    agent.watch('own', ['/a/', '/b/'])
    agent.use({
      name: 'p',
      init: (context) => {
        context.sync('other').watch('first', '/c/').handle({})
        context.watch('second', '/d/').handle({})
        context.register('third').handle({})
      },
    })
    const registration = agent.sync('other').watch('last', '/e/')
    await agent.start()
    const told = agent.registrations.map(({ name, plugin, transport, prefixes, state }) => [
      name,
      plugin,
      transport,
      prefixes.join(),
      state,
    ])
    expect(told).toEqual([
      ['own', undefined, 'memory', '/a/,/b/', 'waiting'],
      ['last', undefined, 'other', '/e/', 'waiting'],
      ['first', 'p', 'other', '/c/', 'live'],
      ['second', 'p', 'memory', '/d/', 'live'],
      ['third', 'p', 'memory', '', 'live'],
    ])
    expect(agent.transports).toEqual(['memory', 'other'])
    await registration.close()
    expect(agent.registrations.map(({ name }) => name)).not.toContain('last')
  })

  it('every refusal, timeout and reported error as it happens', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    const told: RefusalReport[] = []
    let completed = false
    agent.refusals$.subscribe({
      next: (report) => told.push(report),
      complete: () => {
        completed = true
      },
    })
    const options = { onRefusal: 'continue', doneTimeoutMs: { change: 20 } } as const
    agent.watch('r', '/', options).handle({
      resync: () => {},
      change: ({ key }) =>
        key === '/bad' ? Promise.reject(new Error('not that')) : new Promise(() => {}),
    })
    await agent.start()
    await agent.put('/bad', text('1'))
    await waitFor(() => told.length === 1)
    await agent.put('/never', text('2'))
    await waitFor(() => told.length === 2)
    agent.reportError('r', 'lost')
    expect(told).toMatchObject([
      { registration: 'r', transport: 'memory', kind: 'change', result: 'refused', key: '/bad' },
      { kind: 'change', result: 'timeout', key: '/never', error: { code: 'SYNC_TIMEOUT' } },
      { kind: 'reported', result: 'refused', error: 'lost' },
    ])
    expect(told[0]?.error).toMatchObject({ message: 'not that' })
    expect(told[2]).not.toHaveProperty('key')
    expect(agent.registrations[0]).toMatchObject({ refusals: 3, lastError: 'lost' })
    await agent.close()
    expect(completed).toBe(true)
  })

  it('a page of what is served, and nothing outside of it', async () => {
    const agent = new Agent({ transport: memory() })
    onTeardown(() => agent.close())
    await agent.start()
    for (const name of ['c', 'a', 'b']) await agent.put(`/x/${name}`, text(name))
    const served = agent.served({ prefixes: ['/x/'] })
    const page = await served.page('/x/', { after: '/x/a', limit: 1 })
    expect(page).toMatchObject({ pairs: [{ key: '/x/b' }], more: true })
    await expect(served.page('/', { limit: 1 })).rejects.toMatchObject({ code: 'SYNC_INVALID_KEY' })
  })
})
