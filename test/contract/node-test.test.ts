import { expect, it } from '@jest/globals'
import { spawnNode } from '../support/spawn-node.ts'

it('the suite runs under node:test as it does under Jest', async () => {
  const program = spawnNode('test/contract/node-test.program.ts', {
    execArgv: ['--test-reporter=tap'],
  })
  const lines: string[] = []
  for await (const line of program.lines) lines.push(line)
  expect(await program.exited).toBe(0)
  expect(lines).toContain('# fail 0')
  const passed = lines.find((line) => line.startsWith('# pass '))
  expect(Number(passed?.slice('# pass '.length))).toBeGreaterThan(90)
}, 120_000)
