import assert from 'node:assert/strict'
import { isSyncError } from '../../api/errors.ts'
import type { AddCase, ContractCase } from '../contract-case.ts'
import { NO_TIMEOUT } from '../contract-case.ts'
import { eventually } from '../eventually.ts'
import type { Recorded, Recorder } from '../recorder.ts'
import type { TestAgent } from '../runner.ts'
import { text } from '../text.ts'

interface Order {
  readonly agent: TestAgent
  readonly seen: readonly Recorder[]
  /** `+a` when a's RESYNC is delivered, `-a` when it is done. */
  readonly log: string[]
}

/** Registrations a, b, c, whose RESYNCs are answered some turns of the event loop later. */
function inOrder(c: ContractCase): Order {
  const agent = c.agent()
  const log: string[] = []
  const seen = ['a', 'b', 'c'].map((name) =>
    c.record(agent.watch(name, c.fixture.prefix, NO_TIMEOUT), {
      answer: (event) => {
        if (event.kind === 'change') return 'ack'
        log.push(`+${name} ${event.reason}`)
        setImmediate(() =>
          setImmediate(() => {
            if (event.aborted) return
            log.push(`-${name}`)
            event.ack()
          }),
        )
        return 'hold'
      },
    }),
  )
  return { agent, seen, log }
}

function run(reason: string, names: readonly string[] = ['a', 'b', 'c']): string[] {
  return names.flatMap((name) => [`+${name} ${reason}`, `-${name}`])
}

/** Runs of RESYNCs (§7, C10). */
export function orchestratorCases(add: AddCase): void {
  add(
    'case 13: RESYNCs come in registration order at start and on resync(), each after the one before',
    async (c) => {
      const { agent, log, seen } = inOrder(c)
      const startup = await agent.start()
      assert.deepEqual(log.splice(0), run('startup'))
      assert.equal(startup.reason, 'startup')
      assert.deepEqual(
        startup.turns.map((turn) => [turn.name, turn.outcome, turn.pairs]),
        [
          ['a', 'acked', 0],
          ['b', 'acked', 0],
          ['c', 'acked', 0],
        ],
      )
      await agent.put(c.key('x'), text('1'))
      for (const one of seen) await one.until(c.key('x'), '1')
      const report = await agent.resync()
      assert.deepEqual(log.splice(0), run('requested'))
      assert.deepEqual(
        report.turns.map((turn) => [turn.name, turn.outcome, turn.pairs]),
        [
          ['a', 'acked', 1],
          ['b', 'acked', 1],
          ['c', 'acked', 1],
        ],
      )
      await agent.resync(['c', 'a'])
      assert.deepEqual(log.splice(0), run('requested', ['a', 'c']))
      await assert.rejects(agent.resync(['nobody']), (error) =>
        isSyncError(error, 'SYNC_NOT_REGISTERED'),
      )
    },
  )

  add('case 13: RESYNCs come in registration order after a reset', async (c) => {
    const { agent, log } = inOrder(c)
    await agent.start()
    log.splice(0)
    await agent.put(c.key('x'), text('1'))
    c.link.cut('reconnected')
    await eventually('the run', () => log.length >= 6)
    assert.deepEqual(log, run('reconnected'))
  })

  add(
    'case 30: a reset amid a run a, b, c: a second run serves what the reset touched, in order',
    async (c) => {
      const { agent, log, seen } = inOrder(c)
      await agent.start()
      log.splice(0)
      const release = c.link.hold()
      const requested = agent.resync()
      await eventually('the first RESYNC', () => log.length > 0)
      c.link.cut('compacted')
      await agent.put(c.key('x'), text('1'))
      const report = await requested
      release()
      await eventually('the second run', () => seen.every((one) => one.fold().length === 1))
      await eventually('its end', () =>
        seen.every((one) => one.registration.status.state === 'live'),
      )
      const second = log.slice(log.findIndex((line) => /^\+a (compacted|reconnected)$/.test(line)))
      assert.deepEqual(
        second.filter((line) => line.startsWith('+')).map((line) => line.slice(0, 2)),
        ['+a', '+b', '+c'],
        log.join(', '),
      )
      assert.deepEqual(
        second.filter((_, i) => i % 2 === 1),
        ['-a', '-b', '-c'],
        log.join(', '),
      )
      assert.equal(report.reason, 'requested')
    },
  )

  add('requests during a run unite into the next', async (c) => {
    const { agent, log } = inOrder(c)
    await agent.start()
    log.splice(0)
    const first = agent.resync()
    await eventually('the first RESYNC', () => log.length > 0)
    const [second, third] = [agent.resync(['b']), agent.resync(['c', 'b'])]
    const reports = await Promise.all([first, second, third])
    assert.deepEqual(log, [...run('requested'), ...run('requested', ['b', 'c'])])
    assert.equal(reports[1], reports[2])
  })

  add(
    'resync() reaches a receiver that is busy with a queue of changes, in its turn',
    async (c) => {
      const agent = c.agent()
      let slow = true
      let first: Recorded | undefined
      const busy = c.record(agent.watch('busy', c.fixture.prefix), {
        answer: (event) => {
          if (event.kind === 'resync' || !slow) return 'ack'
          if (first === undefined) first = event
          else setImmediate(() => event.ack())
          return 'hold'
        },
      })
      const last = c.record(agent.watch('last', c.key('elsewhere')))
      await agent.start()
      await Promise.all(Array.from({ length: 50 }, (_, i) => agent.put(c.key(`k${i}`), text('1'))))
      await eventually('the queue', () => busy.registration.status.pending > 10)
      first?.ack()
      const report = await agent.resync()
      slow = false
      assert.deepEqual(
        report.turns.map((turn) => turn.outcome),
        ['acked', 'acked'],
      )
      await c.converged(agent, busy)
      assert.deepEqual(last.lines(), ['resync startup', 'resync requested'])
    },
  )

  add('one that is not ready is passed over and gets its RESYNC by itself later', async (c) => {
    const agent = c.agent({ acceptTimeoutMs: 20 })
    const busy = c.record(agent.watch('busy', c.fixture.prefix, NO_TIMEOUT), {
      answer: (event) => (event.kind === 'change' ? 'hold' : 'ack'),
    })
    const other = c.record(agent.watch('other', c.key('elsewhere')))
    await agent.start()
    await agent.put(c.key('x'), text('1'))
    const open = await busy.until(c.key('x'), '1')
    const report = await agent.resync()
    assert.deepEqual(
      report.turns.map((turn) => turn.outcome),
      ['passed-over', 'acked'],
    )
    assert.deepEqual(other.lines(), ['resync startup', 'resync requested'])
    open.ack()
    assert.equal(String(await busy.next()), 'resync requested')
  })

  add('a reconnect that resumes starts no run', async (c) => {
    if (!c.capabilities.resumable) return
    const { agent, log, seen } = inOrder(c)
    await agent.start()
    log.splice(0)
    const before = c.link.streams
    c.link.cut()
    await eventually('the reconnect', () => c.link.streams > before)
    await agent.put(c.key('x'), text('1'))
    for (const one of seen) await one.until(c.key('x'), '1')
    assert.deepEqual(log, [])
  })

  add('reportError: a RESYNC of that registration, after a back-off', async (c) => {
    const { agent, log, seen } = inOrder(c)
    await agent.start()
    log.splice(0)
    agent.reportError('b', new Error('my data is wrong'))
    await eventually('the RESYNC', () => log.length >= 2)
    assert.deepEqual(log, run('refused', ['b']))
    assert.equal(seen[1]?.registration.status.refusals, 1)
    assert.throws(
      () => agent.reportError('nobody', new Error('x')),
      (error) => isSyncError(error, 'SYNC_NOT_REGISTERED'),
    )
  })

  add('a name can be used once, and again when it is closed', async (c) => {
    const agent = c.agent()
    const first = agent.watch('name', c.fixture.prefix)
    assert.throws(
      () => agent.watch('name', c.fixture.prefix),
      (error) => isSyncError(error, 'SYNC_ALREADY_REGISTERED'),
    )
    await first.close()
    const second = c.record(agent.watch('name', c.fixture.prefix))
    await agent.start()
    assert.equal(String(await second.next()), 'resync startup')
  })
}
