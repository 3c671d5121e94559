import { beforeAll, describe, expect, it } from '@jest/globals'
import { SpanStatusCode, trace } from '@opentelemetry/api'
import type { Tracer } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { acknowledge, Agent, memory, raw } from '../../../src/index.ts'
import type { ChangeEvent, ResyncEvent, WatchOptions } from '../../../src/index.ts'
import { tracing } from '../../../src/telemetry/index.ts'
import { enableAsyncContext } from '../../support/async-context.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

const VALUE = raw(Uint8Array.of(1))

beforeAll(() => enableAsyncContext())

describe('tracing', () => {
  it('spans the handling of each event, with its attributes', async () => {
    const { agent, spans } = await started(() => {})
    await agent.put('/a/1', VALUE, { waitFor: 'applied' })
    await waitFor(() => spans().length === 2)
    const [resync, change] = spans()
    expect(resync?.name).toBe('datasync resync')
    expect(resync?.attributes).toEqual({
      'datasync.transport': 'memory',
      'datasync.registration': 'receiver',
      'datasync.reason': 'startup',
      'datasync.pairs': 1,
      'datasync.result': 'acked',
    })
    expect(change?.name).toBe('datasync change')
    expect(change?.attributes).toEqual({
      'datasync.transport': 'memory',
      'datasync.registration': 'receiver',
      'datasync.result': 'acked',
    })
    expect(change?.parentSpanContext).toBeUndefined()
  })

  it('runs sync and async handlers inside their span', async () => {
    const { agent, spans } = await started(async (event, tracer) => {
      tracer.startSpan(`sync in ${event.kind}`).end()
      await new Promise((resolve) => setImmediate(resolve))
      tracer.startSpan(`async in ${event.kind}`).end()
    })
    await agent.put('/a/1', VALUE, { waitFor: 'applied' })
    await waitFor(() => spans().length === 6)
    for (const kind of ['resync', 'change']) {
      const parent = spans().find((span) => span.name === `datasync ${kind}`)
      for (const child of ['sync', 'async']) {
        const span = spans().find(({ name }) => name === `${child} in ${kind}`)
        expect(span?.parentSpanContext?.spanId).toBe(parent?.spanContext().spanId)
      }
    }
  })

  it('gives events of registrations that overlap their own spans', async () => {
    const { tracer, exporter, agent } = traced()
    const names = ['a', 'b', 'c']
    for (const name of names) {
      agent.watch(name, `/${name}/`).handle({
        change: async () => {
          await new Promise((resolve) => setImmediate(resolve))
          tracer.startSpan(`in ${name}`).end()
        },
      })
    }
    await agent.start()
    const txn = agent.txn()
    for (const name of names) txn.put(`/${name}/1`, VALUE)
    await txn.commit({ waitFor: 'applied' })
    const spans = (): ReadableSpan[] => exporter.getFinishedSpans()
    await waitFor(() => spans().filter((span) => span.name === 'datasync change').length === 3)
    for (const name of names) {
      const inner = spans().find((span) => span.name === `in ${name}`)
      const outer = spans().find(
        (span) => span.spanContext().spanId === inner?.parentSpanContext?.spanId,
      )
      expect(outer?.attributes['datasync.registration']).toBe(name)
    }
  })

  it('does not become part of the trace that started the agent', async () => {
    const { tracer, exporter, agent } = traced()
    agent.watch('receiver', '/a/').handle({})
    await tracer.startActiveSpan('caller', async (span) => {
      await agent.start()
      await agent.put('/a/1', VALUE, { waitFor: 'applied' })
      span.end()
    })
    const own = exporter.getFinishedSpans().filter((span) => span.name.startsWith('datasync'))
    expect(own).toHaveLength(2)
    expect(own.map((span) => span.parentSpanContext)).toEqual([undefined, undefined])
  })

  it('records what a receiver refused, and a timeout', async () => {
    const { agent, spans } = await started(
      (event) => {
        if (event.kind === 'change' && event.key === '/a/bad') throw new Error('not good')
        if (event.kind === 'change' && event.key === '/a/slow') return new Promise(() => {})
        return undefined
      },
      { onRefusal: 'continue', doneTimeoutMs: { change: 20 } },
    )
    await agent.put('/a/bad', VALUE)
    await agent.put('/a/slow', VALUE)
    await waitFor(() => spans().length === 3)
    const [, bad, slow] = spans()
    expect(bad?.attributes['datasync.result']).toBe('refused')
    expect(bad?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'not good' })
    expect(bad?.events[0]?.attributes?.['exception.message']).toBe('not good')
    expect(slow?.attributes['datasync.result']).toBe('timeout')
    expect(slow?.status.code).toBe(SpanStatusCode.ERROR)
  })

  it('ends what is open at close', async () => {
    const { agent, spans, seen } = await started((event) =>
      event.kind === 'change' ? new Promise(() => {}) : undefined,
    )
    await agent.put('/a/1', VALUE)
    await waitFor(() => seen.length === 2)
    await agent.close()
    expect(spans().at(-1)?.attributes['datasync.result']).toBe('voided')
    expect(spans().at(-1)?.status.code).toBe(SpanStatusCode.UNSET)
  })

  it('uses the global provider when it gets no tracer', () => {
    const { provider, exporter } = providerOf()
    const instrumentation = tracing()
    trace.setGlobalTracerProvider(provider)
    onTeardown(() => trace.disable())
    instrumentation.handling?.({ transport: 't', registration: 'r', kind: 'change' }).end('acked')
    expect(exporter.getFinishedSpans()[0]?.instrumentationScope.name).toBe('rx-datasync')
  })
})

function providerOf() {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  onTeardown(() => provider.shutdown())
  return { provider, exporter }
}

function traced() {
  const { provider, exporter } = providerOf()
  const tracer = provider.getTracer('test')
  const agent = new Agent({ transport: memory(), instrumentation: tracing({ tracer }) })
  onTeardown(() => agent.close())
  return { tracer, exporter, agent }
}

async function started(
  handler: (event: ResyncEvent | ChangeEvent, tracer: Tracer) => unknown,
  options?: WatchOptions,
) {
  const { tracer, exporter, agent } = traced()
  const seen: string[] = []
  const registration = agent.watch('receiver', '/a/', options)
  registration.events$
    .pipe(
      acknowledge((event) => {
        seen.push(event.kind)
        return handler(event, tracer)
      }),
    )
    .subscribe()
  await agent.put('/a/0', VALUE)
  await agent.start()
  return { agent, seen, spans: () => exporter.getFinishedSpans() }
}
