import { describe, expect, it } from '@jest/globals'
import { Counter, openMetricsContentType, Registry } from 'prom-client'
import type { OpenMetricsContentType } from 'prom-client'
import {
  Agent,
  InvalidOptionError,
  memory,
  raw,
  TransportUnavailableError,
} from '../../../src/index.ts'
import type { ChangeEvent, Transport, WatchOptions } from '../../../src/index.ts'
import { metrics } from '../../../src/telemetry/index.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

const VALUE = raw(new Uint8Array(100))
const OWN = 'transport="memory",registration="receiver"'

describe('metrics', () => {
  it('counts events by kind and result, RESYNCs by reason', async () => {
    const { agent, register } = await started(
      (event) => {
        if (event.key === '/a/bad') throw new Error('not good')
      },
      { onRefusal: 'continue' },
    )
    await agent.put('/a/1', VALUE, { waitFor: 'applied' })
    await agent.put('/a/2', VALUE, { waitFor: 'applied' })
    await expect(agent.put('/a/bad', VALUE, { waitFor: 'applied' })).rejects.toThrow('refused')
    await agent.resync()
    expect(await lines(register, 'events_total')).toEqual([
      `{${OWN},kind="resync",result="acked"} 2`,
      `{${OWN},kind="change",result="acked"} 2`,
      `{${OWN},kind="change",result="refused"} 1`,
    ])
    expect(await lines(register, 'resyncs_total')).toEqual([
      `{${OWN},reason="startup"} 1`,
      `{${OWN},reason="requested"} 1`,
    ])
    expect(await lines(register, 'refusals_total')).toEqual([`{${OWN}} 1`])
    expect(await lines(register, 'changes_total')).toEqual(['{transport="memory"} 3'])
    expect(await lines(register, 'resync_pairs')).toEqual([`{${OWN}} 3`])
  })

  it('measures how long events are handled', async () => {
    let now = 0
    const { agent, register } = await started(
      () => {
        now += 30
      },
      {},
      () => now,
    )
    await agent.put('/a/1', VALUE, { waitFor: 'applied' })
    await agent.put('/a/2', VALUE, { waitFor: 'applied' })
    const change = await lines(register, 'change_duration_seconds')
    expect(change).toContain(`_bucket{${OWN},le="0.01"} 0`)
    expect(change).toContain(`_bucket{${OWN},le="0.05"} 2`)
    expect(change).toContain(`_bucket{${OWN},le="10"} 2`)
    expect(change).toContain(`_bucket{${OWN},le="+Inf"} 2`)
    expect(change).toContain(`_sum{${OWN}} 0.06`)
    expect(change).toContain(`_count{${OWN}} 2`)
    const resync = await lines(register, 'resync_duration_seconds')
    expect(resync).toContain(`_bucket{${OWN},le="0.001"} 1`)
    expect(resync).toContain(`_count{${OWN}} 1`)
    const asJson = await register.getMetricsAsJSON()
    expect(asJson.map(({ name }) => name)).toContain('datasync_change_duration_seconds')
  })

  it('shows queues as they are at the scrape, and their overflow', async () => {
    let release: () => void = () => {}
    const { agent, register } = await started(
      () => new Promise<void>((resolve) => (release = resolve)),
      { queueLimit: 5 },
    )
    for (let i = 0; i < 4; i++) await agent.put(`/a/${i}`, VALUE)
    // One is in the receiver's hands.
    await waitFor(async () => (await lines(register, 'queue_changes'))[0] === `{${OWN}} 3`)
    expect(await lines(register, 'queue_bytes')).toEqual([`{${OWN}} 300`])
    expect(await lines(register, 'overflows_total')).toEqual([`{${OWN}} 0`])
    for (let i = 0; i < 10; i++) await agent.put(`/a/x${i}`, VALUE)
    await waitFor(async () => (await lines(register, 'overflows_total'))[0] === `{${OWN}} 1`)
    expect(await lines(register, 'queue_changes')).toEqual([`{${OWN}} 0`])
    release()
    await waitFor(async () =>
      (await lines(register, 'resyncs_total')).includes(`{${OWN},reason="overflow"} 1`),
    )
  })

  it('counts writes by result and knows the state of the transport', async () => {
    const { agent, register } = await started(() => {})
    const { version } = await agent.put('/a/1', VALUE)
    await agent.put('/a/1', VALUE, { ifVersion: version })
    await expect(agent.put('/a/1', VALUE, { ifVersion: version })).rejects.toThrow()
    expect(await lines(register, 'writes_total')).toEqual([
      '{transport="memory",result="ok"} 2',
      '{transport="memory",result="SYNC_VERSION_CONFLICT"} 1',
    ])
    expect(await lines(register, 'write_duration_seconds')).toContain(
      '_count{transport="memory"} 3',
    )
    expect(await lines(register, 'transport_state')).toEqual([
      '{transport="memory",state="connecting"} 0',
      '{transport="memory",state="live"} 1',
      '{transport="memory",state="stale"} 0',
      '{transport="memory",state="closed"} 0',
    ])
    expect(await lines(register, 'registration_live')).toEqual([`{${OWN}} 1`])
  })

  it('counts reconnects by code', async () => {
    const register = new Registry()
    const transport = failingOnce(memory(), new TransportUnavailableError('memory', 'gone'))
    const agent = new Agent({ transport, instrumentation: metrics({ register }), random: () => 0 })
    onTeardown(() => agent.close())
    agent.watch('receiver', '/a/').handle({})
    await agent.start()
    expect(await lines(register, 'reconnects_total')).toEqual([
      '{transport="memory",code="SYNC_UNAVAILABLE"} 1',
    ])
  })

  it("ends a registration's series at its close, a transport's with its agent", async () => {
    const { agent, register } = await started(() => {})
    const other = agent.watch('other', '/b/')
    other.handle({})
    await waitFor(() => other.status.state === 'live')
    expect(await register.metrics()).toContain('registration="other"')
    await other.close()
    expect(await register.metrics()).not.toContain('registration="other"')
    expect(await register.metrics()).toContain('registration="receiver"')
    await agent.close()
    expect(await register.metrics()).not.toContain('transport="memory"')
  })

  it('ends them also with an event open', async () => {
    const { agent, register } = await started(() => new Promise(() => {}))
    await agent.put('/a/1', VALUE)
    await waitFor(() => agent.health().registrations[0]?.inFlight === 1)
    await agent.close()
    expect(await register.metrics()).not.toContain('registration=')
  })

  it('keeps the series of an agent that replaces another', async () => {
    const register = new Registry()
    const instrumentation = metrics({ register })
    const agents = [1, 2].map(() => new Agent({ transport: memory(), instrumentation }))
    for (const agent of agents) {
      onTeardown(() => agent.close())
      agent.watch('receiver', '/a/').handle({})
      await agent.start()
    }
    await agents[0]?.close()
    await agents[1]?.put('/a/1', VALUE)
    expect(await lines(register, 'registration_live')).toEqual([`{${OWN}} 1`])
    await agents[1]?.close()
    expect(await lines(register, 'registration_live')).toEqual([])
  })

  it('refuses a registry that has the names, a bad prefix and unknown options', () => {
    const register = new Registry()
    metrics({ register })
    expect(() => metrics({ register })).toThrow(InvalidOptionError)
    metrics({ register, prefix: 'other_' })
    expect(() => metrics({ register, prefix: '1-' })).toThrow('option prefix')
    expect(() => metrics({ registry: register } as object)).toThrow('option registry: is unknown')
    const taken = new Registry()
    new Counter({ name: 'datasync_writes_total', help: 'x', registers: [taken] })
    expect(() => metrics({ register: taken })).toThrow('datasync_writes_total')
  })

  it('fits an OpenMetrics registry', async () => {
    const register = new Registry<OpenMetricsContentType>()
    register.setContentType(openMetricsContentType)
    const instrumentation = metrics({ register })
    const agent = new Agent({ transport: memory(), instrumentation })
    onTeardown(() => agent.close())
    await agent.put('/a/1', VALUE)
    for (let scrape = 0; scrape < 2; scrape++) {
      const text = await register.metrics()
      expect(text).toContain('datasync_writes_total{transport="memory",result="ok"} 1')
      expect(text).toContain('datasync_write_duration_seconds_count{transport="memory"} 1')
    }
  })

  it('has no label with a key, a prefix or a text', async () => {
    const { agent, register } = await started(() => {
      throw new Error('secret text')
    })
    await agent.put('/a/secret-key', VALUE)
    await waitFor(() => agent.health().registrations[0]?.refusals === 1)
    const text = await register.metrics()
    expect(text).not.toContain('secret')
    expect(text).not.toContain('"/a/')
    const labels = [...text.matchAll(/[{,](\w+)="/gu)].map((match) => match[1])
    expect(new Set(labels)).toEqual(
      new Set(['transport', 'registration', 'kind', 'result', 'reason', 'state', 'le']),
    )
  })
})

async function started(
  change: (event: ChangeEvent) => unknown,
  options?: WatchOptions,
  now?: () => number,
) {
  const register = new Registry()
  const instrumentation = metrics({ register, ...(now === undefined ? {} : { now }) })
  const agent = new Agent({ transport: memory(), instrumentation })
  onTeardown(() => agent.close())
  agent.watch('receiver', '/a/', options).handle({ change })
  await agent.start()
  return { agent, register }
}

/** The samples of a metric, without its name. */
async function lines(register: Registry, name: string): Promise<string[]> {
  const text = await register.metrics()
  const start = `datasync_${name}`
  return text
    .split('\n')
    .filter((line) => line.startsWith(start))
    .map((line) => line.slice(start.length))
}

function failingOnce(transport: Transport, error: Error): Transport {
  let failed = false
  return new Proxy(transport, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (name === 'stream' && !failed) {
          failed = true
          throw error
        }
        return Reflect.apply(value, target, args)
      }
    },
  })
}
