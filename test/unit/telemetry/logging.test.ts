import { Writable } from 'node:stream'
import { expect, it } from '@jest/globals'
import { pino } from 'pino'
import { Agent, memory, raw } from '../../../src/index.ts'
import { onTeardown } from '../../support/teardown.ts'
import { waitFor } from '../../support/wait-for.ts'

it('a pino instance is a logger, also of plugins', async () => {
  const lines: Record<string, unknown>[] = []
  const destination = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>)
      done()
    },
  })
  const agent = new Agent({
    transport: memory(),
    logger: pino({ level: 'debug' }, destination),
    plugins: [
      {
        name: 'picky',
        init: (context) => {
          context.logger.info({ colour: 'blue' }, 'hello')
          context.watch('picky', '/a/').handle({
            change: () => {
              throw new Error('not good')
            },
          })
        },
      },
    ],
  })
  onTeardown(() => agent.close())
  await agent.start()
  await agent.put('/a/1', raw(Uint8Array.of(1)))
  await waitFor(() => lines.length === 2)
  expect(lines[0]).toMatchObject({ level: 30, plugin: 'picky', colour: 'blue', msg: 'hello' })
  expect(lines[1]).toMatchObject({
    level: 40,
    registration: 'picky',
    kind: 'change',
    result: 'refused',
    error: 'not good',
    msg: 'event refused',
  })
})
