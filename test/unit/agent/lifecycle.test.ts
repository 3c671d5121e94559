import { describe, expect, it } from '@jest/globals'
import { Agent, memory } from '../../../src/index.ts'
import type { Plugin, PluginContext, TimeoutError } from '../../../src/index.ts'
import { ScriptedTransport } from '../../../src/testing/index.ts'
import { text } from '../../../src/testing/text.ts'
import { ScriptedAgent } from '../../support/scripted-agent.ts'
import { SwitchableTransport } from '../../support/switchable-transport.ts'

/** A plugin that writes down what is called, and fails where it is told to. */
function plugin(
  name: string,
  log: string[],
  fails: 'init' | 'afterInit' | 'close' | 'none' = 'none',
): Plugin {
  const step = async (phase: string): Promise<void> => {
    log.push(`${name} ${phase}`)
    await Promise.resolve()
    if (phase === fails) throw new Error(`${name} cannot ${phase}`)
  }
  return {
    name,
    init: () => step('init'),
    afterInit: () => step('afterInit'),
    close: () => step('close'),
  }
}

describe('plugins', () => {
  it('init in the order of use, then the startup run, then afterInit; close in reverse', async () => {
    const log: string[] = []
    const s = new ScriptedAgent()
    for (const name of ['a', 'b']) {
      const own = plugin(name, log)
      s.plugin({
        ...own,
        async init(context: PluginContext) {
          await own.init?.(context)
          context.watch(name, `/${name}/`).handle({ resync: () => void log.push(`${name} resync`) })
        },
      })
    }
    await s.start()
    expect(log.splice(0)).toEqual([
      'a init',
      'b init',
      'a resync',
      'b resync',
      'a afterInit',
      'b afterInit',
    ])
    await s.agent.close()
    expect(log).toEqual(['b close', 'a close'])
  })

  it('a failing init closes what was opened, in reverse, and rejects with its name', async () => {
    const log: string[] = []
    const s = new ScriptedAgent()
    s.plugin(plugin('a', log))
      .plugin(plugin('b', log, 'init'))
      .plugin(plugin('c', log))
    await expect(s.agent.start()).rejects.toMatchObject({
      code: 'SYNC_PLUGIN_FAILED',
      plugin: 'b',
      cause: { message: 'b cannot init' },
    })
    expect(log).toEqual(['a init', 'b init', 'b close', 'a close'])
    expect(s.transport.script.closes).toBe(1)
    await expect(s.agent.start()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })

  it('a failing afterInit too; a close that fails on top does not hide it', async () => {
    const log: string[] = []
    const s = new ScriptedAgent()
    s.plugin(plugin('a', log, 'close')).plugin(plugin('b', log, 'afterInit'))
    s.stream().listed()
    await expect(s.agent.start()).rejects.toMatchObject({ code: 'SYNC_PLUGIN_FAILED', plugin: 'b' })
    expect(log.slice(-2)).toEqual(['b close', 'a close'])
    expect(s.transport.script.closes).toBe(1)
  })

  it('a close that fails stops no other; close rejects with it, with several with all', async () => {
    const log: string[] = []
    const s = new ScriptedAgent()
    s.plugin(plugin('a', log)).plugin(plugin('b', log, 'close'))
    await s.start()
    const first = s.agent.close()
    await expect(first).rejects.toMatchObject({ code: 'SYNC_PLUGIN_FAILED', plugin: 'b' })
    expect(log.slice(-2)).toEqual(['b close', 'a close'])
    expect(s.transport.script.closes).toBe(1)
    const t = new ScriptedAgent()
    t.plugin(plugin('a', log, 'close'))
    t.transport.script.onClose = () => Promise.reject(new Error('the transport too'))
    await t.start()
    await expect(t.agent.close()).rejects.toMatchObject({
      errors: [{ plugin: 'a' }, { message: 'the transport too' }],
    })
  })

  it('use is for before start, each name once', async () => {
    const s = new ScriptedAgent()
    s.plugin({ name: 'a' })
    const invalid = expect.objectContaining({ code: 'SYNC_INVALID_OPTION' })
    expect(() => s.agent.use({ name: 'a' })).toThrow(invalid)
    expect(() => s.agent.use({ name: '' })).toThrow(invalid)
    expect(() => s.agent.use(undefined as unknown as Plugin)).toThrow(invalid)
    await s.start()
    expect(() => s.agent.use({ name: 'b' })).toThrow(
      expect.objectContaining({ code: 'SYNC_ALREADY_STARTED' }),
    )
  })

  it('the context reads, writes and watches, and hears of the close', async () => {
    const s = new ScriptedAgent()
    let context: PluginContext | undefined
    s.plugin({
      name: 'p',
      async init(given) {
        context = given
        await given.put('/x', text('1'))
        expect(given.sync('scripted')).toBeDefined()
        expect(() => given.sync('unknown')).toThrow(
          expect.objectContaining({ code: 'SYNC_INVALID_OPTION' }),
        )
      },
    })
    await s.start()
    expect(s.transport.script.commits).toHaveLength(1)
    expect(context?.signal.aborted).toBe(false)
    await s.agent.close()
    expect(context?.signal.aborted).toBe(true)
  })

  it('W23: an init that closes the agent does not deadlock', async () => {
    const s = new ScriptedAgent()
    s.plugin({
      name: 'closer',
      async init() {
        await s.agent.close()
      },
    })
    await expect(s.agent.start()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })
})

describe('start', () => {
  it('waits until all sources are live; a refused RESYNC does not fail it', async () => {
    const s = new ScriptedAgent()
    const seen = s.watch('a', '/', {}, { answer: () => 'refuse' })
    let started = false
    void s.begin().then(() => {
      started = true
    })
    await s.run(50_000)
    expect(seen.events).toHaveLength(0)
    s.stream().listed()
    await s.settle()
    expect(started).toBe(true)
    expect(seen.lines()).toEqual(['resync startup'])
  })

  it('startTimeoutMs: TimeoutError says whose list is missing, and everything is closed', async () => {
    const s = new ScriptedAgent({ agent: { startTimeoutMs: 5_000 } })
    s.watch('a', '/a/')
    const started = s.begin()
    await s.run(5_000)
    await expect(started).rejects.toMatchObject({ code: 'SYNC_TIMEOUT', timeoutMs: 5_000 })
    await expect(started).rejects.toThrow('no complete list yet for a (scripted)')
    expect(s.transport.script.closes).toBe(1)
    expect(s.clock.pending).toBe(0)
  })

  it('startTimeoutMs: TimeoutError names the plugin, the transport or the receivers that it waits for', async () => {
    const inPlugin = new ScriptedAgent({ agent: { startTimeoutMs: 100 } })
    inPlugin.plugin({ name: 'slow', init: () => new Promise(() => {}) })
    const first = inPlugin.begin()
    await inPlugin.run(100)
    await expect(first).rejects.toThrow('plugin slow: init')
    const inReceiver = new ScriptedAgent({ agent: { startTimeoutMs: 100 } })
    inReceiver.watch('a', '/', {}, { answer: () => 'hold' })
    inReceiver.stream().listed()
    const second = inReceiver.begin()
    await inReceiver.run(100)
    await expect(second).rejects.toThrow('waiting for receivers')
    const inOpen = new ScriptedAgent({ agent: { startTimeoutMs: 100 } })
    inOpen.transport.script.onOpen = () => new Promise(() => {})
    const third = inOpen.begin()
    await inOpen.run(100)
    await expect(third).rejects.toThrow('opening scripted')
  })

  it('in time, no timer is left', async () => {
    const s = new ScriptedAgent({ agent: { startTimeoutMs: 5_000 } })
    await s.start()
    expect(s.clock.pending).toBe(0)
  })

  it('an open that is refused rejects it, with the other transport closed', async () => {
    const bad = new ScriptedTransport({ name: 'bad' })
    const good = new ScriptedTransport({ name: 'good' })
    bad.script.onOpen = () => Promise.reject(new Error('wrong password'))
    const agent = new Agent({ transport: good, transports: { bad } })
    await expect(agent.start()).rejects.toThrow('wrong password')
    expect([good.script.closes, bad.script.closes]).toEqual([1, 1])
  })

  it('twice is an error (W19), after close another', async () => {
    const s = new ScriptedAgent()
    const first = s.begin()
    await expect(s.agent.start()).rejects.toMatchObject({ code: 'SYNC_ALREADY_STARTED' })
    await first
    await s.agent.close()
    await expect(s.agent.start()).rejects.toMatchObject({ code: 'SYNC_CLOSED' })
  })

  it('watches that are made while it runs are served too', async () => {
    const s = new ScriptedAgent()
    const first = s.watch('a', '/', {}, { answer: () => 'hold' })
    s.stream().listed()
    const started = s.begin()
    await s.settle()
    const second = s.watch('b', '/')
    await s.settle()
    expect(second.events).toHaveLength(0)
    first.events[0]?.ack()
    await started
    await s.settle()
    expect(second.lines()).toEqual(['resync startup'])
  })
})

describe('W18: close at every point', () => {
  const points: Record<string, (s: ScriptedAgent) => unknown> = {
    'before start': () => {},
    'while opening': (s) => {
      s.transport.script.onOpen = () => new Promise(() => {})
      void s.begin()
    },
    'in the list': async (s) => {
      s.stream().pairs([['/x', '1', 1]])
      void s.begin()
      await s.settle()
    },
    'while a startup RESYNC is open': async (s) => {
      s.stream().listed()
      void s.begin()
      await s.settle()
    },
    'in the back-off of a reconnect': async (s) => {
      s.stream().fail(new Error('cut'))
      void s.begin()
      await s.settle()
    },
    'in the back-off of a refusal': async (s) => {
      s.stream().listed()
      void s.begin()
      await s.settle()
      s.recorders[0]?.events[0]?.refuse()
    },
    'with a run waiting': async (s) => {
      s.stream().listed()
      void s.begin()
      await s.settle()
      s.agent.resync().catch(() => {})
    },
    'with an owed RESYNC of an unreachable prefix': async (s) => {
      s.stream().listed()
      void s.begin()
      await s.settle()
      s.recorders[0]?.events[0]?.ack()
      await s.recorders[0]?.registration.register('elsewhere/')
      await s.settle()
    },
    'with changes queued': async (s) => {
      s.stream().listed()
      void s.begin()
      await s.settle()
      s.stream().changes([
        ['put', '/x', '1', 1],
        ['put', '/y', '1', 2],
      ])
      await s.settle()
    },
  }

  it.each(Object.keys(points))('%s: no timer, no stream, no event later', async (point) => {
    const s = new ScriptedAgent({ transport: { livenessMs: 10_000 } })
    const seen = s.watch('r', '/', {}, { answer: () => 'hold' })
    await points[point]?.(s)
    const before = seen.events.length
    await Promise.all([s.agent.close(), s.agent.close()])
    expect(s.clock.pending).toBe(0)
    for (const stream of s.transport.script.streams) expect(stream.isClosed).toBe(true)
    expect(seen.completed).toBe(true)
    expect(s.transport.script.closes).toBe(1)
    for (const event of seen.events) event.event.done(new Error('late'))
    await s.run(1_000_000)
    expect(seen.events).toHaveLength(before)
    expect(s.clock.pending).toBe(0)
    expect(s.agent.health().status).toBe('closed')
  })

  it.each(Object.keys(points))(
    '%s: of the registration alone, and its name is free',
    async (point) => {
      const s = new ScriptedAgent({ transport: { livenessMs: 0 } })
      const seen = s.watch('r', '/', {}, { answer: () => 'hold' })
      await points[point]?.(s)
      const before = seen.events.length
      await seen.registration.close()
      await seen.registration.close()
      await s.run(1_000_000)
      expect(seen.events).toHaveLength(before)
      expect(seen.completed).toBe(true)
      expect(seen.registration.status.state).toBe('closed')
      s.agent.watch('r', '/')
    },
  )

  it('by an abort listener of the event that a timeout ends: no timer is left', async () => {
    for (const onRefusal of ['resync', 'retry', 'continue'] as const) {
      const s = new ScriptedAgent()
      const registration = s.agent.watch('r', '/', { onRefusal })
      registration.events$.subscribe((event) => {
        if (event.kind === 'resync') event.done()
        else event.signal.addEventListener('abort', () => void registration.close())
      })
      await s.start()
      s.stream().changes([
        ['put', '/x', '1', 1],
        ['put', '/y', '1', 2],
      ])
      await s.settle()
      await s.run(2_000)
      expect(registration.status.state).toBe('closed')
      expect(s.clock.pending).toBe(0)
    }
  })

  it('is what await using does', async () => {
    const transport = new ScriptedTransport()
    {
      await using agent = new Agent({ transport })
      expect(agent.health().status).toBe('starting')
    }
    expect(transport.script.closes).toBe(1)
  })
})

describe('options', () => {
  it.each([
    [{}, 'transport'],
    [{ transport: {} }, 'transport'],
    [{ transport: new ScriptedTransport(), transports: { x: {} } }, 'transports.x'],
    [
      { transport: new ScriptedTransport(), transports: { scripted: new ScriptedTransport() } },
      'transports',
    ],
    [{ transport: new ScriptedTransport(), plugins: {} }, 'plugins'],
    [{ transport: new ScriptedTransport(), startTimeoutMs: -1 }, 'startTimeoutMs'],
    [{ transport: new ScriptedTransport(), logger: {} }, 'logger'],
    [{ transport: new ScriptedTransport(), clock: { now: Date.now } }, 'clock'],
    [{ transport: new ScriptedTransport(), typo: 1 }, 'typo'],
  ])('%j names %s', (options, option) => {
    expect(() => new Agent(options as never)).toThrow(
      expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option }),
    )
  })

  it('signal handlers are opt-in, and taken off again', async () => {
    const before = process.listenerCount('SIGTERM')
    const s = new ScriptedAgent({ agent: { handleSignals: true } })
    await s.start()
    expect(process.listenerCount('SIGTERM')).toBe(before + 1)
    await s.agent.close()
    expect(process.listenerCount('SIGTERM')).toBe(before)
    const t = new ScriptedAgent()
    await t.start()
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })
})

it('startTimeoutMs: TimeoutError says why a list is missing', async () => {
  const transport = new SwitchableTransport(memory({ name: 'store' }))
  transport.cut()
  const agent = new Agent({ transport, startTimeoutMs: 100 })
  agent.watch('one', '/k/').handle({})
  const error = (await agent.start().catch((thrown: unknown) => thrown)) as TimeoutError
  expect(error).toMatchObject({ code: 'SYNC_TIMEOUT', cause: { code: 'SYNC_UNAVAILABLE' } })
  expect(error.message).toContain('no complete list yet for one (store); last: store: switched off')
})
