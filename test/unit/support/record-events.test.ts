import { Subject } from 'rxjs'
import { describe, expect, it } from '@jest/globals'
import type { ChangeEvent, PutEvent } from '../../../src/api/change-event.ts'
import type { ResyncEvent } from '../../../src/api/resync-event.ts'
import type { WatchRegistration } from '../../../src/api/watcher.ts'
import { raw } from '../../../src/api/message.ts'
import { Agent, memory } from '../../../src/index.ts'
import { LEAVE_OPEN, recordEvents, showBytes } from '../../support/record-events.ts'
import type { RecordOptions } from '../../support/record-events.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

const text = (value: string) => raw(new TextEncoder().encode(value))

async function watched({ watch, ...options }: RecordOptions = {}) {
  const agent = new Agent({ transport: memory() })
  onTeardown(() => agent.close())
  await agent.start()
  await agent.put('/k/a', text('1'))
  const registration = agent.watch('recorded', '/k/', watch)
  const recorder = recordEvents(registration, {
    ...options,
    ...(watch === undefined ? {} : { watch }),
  })
  return { agent, registration, recorder }
}

describe('recordEvents', () => {
  it('keeps fold, events and lines', async () => {
    const { agent, recorder } = await watched()
    await recorder.untilEvents(1)
    await agent.put('/k/b', text('2'))
    await agent.put('/k/a', raw(new Uint8Array([0xff, 0])))
    await agent.delete('/k/b')
    await recorder.untilFold({ '/k/a': 'base64:/wA=' })
    expect(recorder.lines).toEqual([
      'resync startup /k/a=1',
      'put /k/b=2',
      'put /k/a=base64:/wA= (was 1)',
      'delete /k/b (was 2)',
    ])
    expect(recorder.events.map(({ kind }) => kind)).toEqual(['resync', 'put', 'put', 'delete'])
    recorder.expectClean()
    expect(recorder.completed).toBe(false)
  })

  it('answers as it is told; what is left open can be answered later', async () => {
    const { agent, recorder } = await watched({
      watch: { onRefusal: 'continue', doneTimeoutMs: { change: 0 } },
      answer(event, index) {
        if (index === 0) return Promise.resolve()
        if (index === 1) throw new Error('refused')
        return event.kind === 'change' && event.key === '/k/c' ? LEAVE_OPEN : undefined
      },
    })
    await recorder.untilEvents(1)
    await agent.put('/k/b', text('2')).catch(() => {})
    await agent.put('/k/c', text('3'))
    await agent.put('/k/b', text('4'))
    expect(await recorder.untilLine('/k/c')).toBe('put /k/c=3')
    expect(recorder.fold.get('/k/b')).toBe('2')
    recorder.last?.done()
    await recorder.untilLine(/^put \/k\/b=4 \(was 2\)$/u)
    recorder.expectClean()
  })

  it('follows register, unregister and close', async () => {
    const { agent, registration, recorder } = await watched()
    await agent.put('/m/x', text('1'))
    await recorder.untilEvents(1)
    await registration.register('/m/')
    await recorder.untilFold({ '/k/a': '1', '/m/x': '1' })
    await registration.unregister('/k/')
    await recorder.untilFold(new Map([['/m/x', '1']]))
    await agent.put('/m/x', text('2'))
    await recorder.untilFold({ '/m/x': '2' })
    await registration.close()
    await waitFor(() => recorder.completed)
    recorder.expectClean()
  })

  it('goes on from a checkpoint', async () => {
    const { agent, registration, recorder } = await watched()
    await recorder.untilEvents(1)
    const resume = await waitFor(() => registration.checkpoint())
    await registration.close()
    await agent.put('/k/a', text('2'))
    const watch = { resume }
    const second = recordEvents(agent.watch('second', '/k/', watch), { watch })
    await second.untilFold({ '/k/a': '2' })
    expect(second.lines).toEqual(['put /k/a=2 (was 1)'])
  })

  it('says what was missing when it waits in vain', async () => {
    const { recorder } = await watched()
    await recorder.untilEvents(1)
    await expect(recorder.untilFold({ '/k/a': '2' }, 20)).rejects.toThrow(
      'the fold: /k/a is "1", wanted "2"',
    )
    await expect(recorder.untilEvents(9, 20)).rejects.toThrow('9 events, so far 1')
    await expect(recorder.untilLine('never', 20)).rejects.toThrow('resync startup /k/a=1')
  })

  it('finds the faults of a stream as they come', async () => {
    const events$ = new Subject<ResyncEvent | ChangeEvent>()
    const registration = {
      name: 'faulty',
      prefixes: ['/'],
      events$,
      status: {},
    } as unknown as WatchRegistration
    const recorder = recordEvents(registration)
    const bytes = new TextEncoder().encode('1')
    const delivery = { signal: new AbortController().signal, done: () => {}, working: () => {} }
    events$.next({
      ...delivery,
      kind: 'change',
      changeType: 'put',
      key: '/a',
      revision: 1,
      bytes,
    } as unknown as PutEvent)
    expect(recorder.violations.map(({ rule }) => rule)).toEqual(['C1', 'scope'])
    expect(() => recorder.expectClean()).toThrow(/faulty: 2 broken rules\nC1, event 0: put \/a=1/u)
    await expect(recorder.untilEvents(1)).rejects.toThrow('broken rules')
  })

  it('shows bytes so that different ones look different', () => {
    expect(showBytes(new TextEncoder().encode('é'))).toBe('é')
    expect(showBytes(new Uint8Array([0xc3]))).toBe('base64:ww==')
    expect(showBytes(new Uint8Array())).toBe('')
  })
})
