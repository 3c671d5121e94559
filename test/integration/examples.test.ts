import { describe, expect, it } from '@jest/globals'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describeWithRedis } from '../servers/describe-with-redis.ts'
import { startRedis } from '../servers/redis.ts'
import { filesUnder, readText, ROOT } from '../support/repository.ts'

const run = promisify(execFile)

function byAll(text: string): string[] {
  return [1, 2, 3].map((agent) => `agent ${agent}: ${text}`)
}

/** What each prints, from the first line to the last. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  '01-first-steps': ['RESYNC 1 lamp', 'CHANGE put /lamp/hall', 'CHANGE delete /lamp/kitchen'],
  '02-interfaces-and-routes': [
    '-- an empty store',
    'RESYNC interfaces (startup): none',
    'RESYNC routes (startup): none',
    'CHANGE interface eth0: none -> mtu 1500',
    'CHANGE interface eth0: mtu 1500 -> mtu 9000',
    'CHANGE route 10.1.0.0/16: put',
    '-- a route by an interface that does not exist',
    'stored, but refused by routes (10.2.0.0/16: there is no interface eth1)',
    '-- the interface comes; the repeated RESYNC can resolve the route',
    'CHANGE interface eth1: none -> mtu 1500',
    'RESYNC routes (refused): 10.1.0.0/16 by eth0, 10.2.0.0/16 by eth1, 10.3.0.0/16 by eth1',
    '-- all or nothing',
    'CHANGE route 10.4.0.0/16: put',
    'CHANGE route 10.1.0.0/16: delete',
    '-- after a restart',
    'RESYNC interfaces (startup): eth0, eth1',
    'RESYNC routes (startup): 10.2.0.0/16 by eth1, 10.3.0.0/16 by eth1, 10.4.0.0/16 by eth1',
  ],
  '04-composing-transports': [
    '-- the union of both',
    'RESYNC interfaces (startup): eth0, lo',
    '-- the first part wins',
    'CHANGE interface eth0: mtu 1500 -> mtu 9000',
    '-- and when it lets go, the other shows again',
    'CHANGE interface eth0: mtu 9000 -> mtu 1500',
  ],
  '05-your-own-adapter': [
    'RESYNC (startup): [["/lamp/kitchen","on"]]',
    '-- somebody edits the file',
    'CHANGE /lamp/kitchen: on -> off',
    'CHANGE /lamp/hall: none -> on',
    '-- the agent writes',
    'CHANGE /lamp/attic: none -> on',
    '{',
    '  "/lamp/kitchen": "off",',
    '  "/lamp/hall": "on",',
    '  "/lamp/attic": "on"',
    '}',
    '',
    '-- a typing error loses nothing: the last good state is kept until the file is mended',
    'RESYNC (reconnected): [["/lamp/kitchen","on"]]',
  ],
  '06-a-hub-and-three-agents': [
    '-- a hub, which has the store, and three agents, which have none',
    ...byAll('RESYNC (startup): nothing'),
    '-- what one writes comes to all',
    ...byAll('CHANGE eth0: none -> 1500'),
    ...byAll('CHANGE eth0: 1500 -> 9000'),
    '-- the hub is killed and started again: everybody is in step again by itself',
    ...byAll('RESYNC (reconnected): eth0 9000'),
    ...byAll('CHANGE lo: none -> 65536'),
  ],
  '07-watch-in-a-browser': ['CHANGE put kitchen', 'the page: 200', 'its program: bundled'],
}
const ON_REDIS = '03-interfaces-and-routes-on-redis'

describe('examples', () => {
  it.each(Object.entries(EXPECTED))('%s', async (name, expected) => {
    expect(await linesOf(name)).toEqual(expected)
  })

  it(`${ON_REDIS} says that it needs a server`, async () => {
    expect(await linesOf(ON_REDIS)).toEqual([
      'skipped: set REDIS_URL to a Redis server, such as redis://127.0.0.1:6379',
    ])
  })

  it('are all run here, and are all in the list', () => {
    const files = filesUnder('examples', '.ts').filter((file) => /^examples\/\d/u.test(file))
    const names = files.map((file) => file.replace(/^examples\/(.*)\.ts$/u, '$1'))
    expect(names).toEqual([...Object.keys(EXPECTED), ON_REDIS].sort())
    const listed = [...readText('examples/README.md').matchAll(/^\| \[(.*)\.ts\]\(\1\.ts\)/gmu)]
    expect(listed.map((row) => row[1])).toEqual(names)
  })

  it('a process of the sixth that ends before its time is an error, not waited for', async () => {
    const program = `
      import { Child } from './examples/processes/child.ts'
      await new Child('agent', ['nonsense']).next().catch(({ message }) => console.log(message))
    `
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program]
    const env = { ...process.env, NODE_OPTIONS: '' }
    const { stdout } = await run(process.execPath, args, { cwd: ROOT, env, timeout: 60_000 })
    expect(stdout).toContain('has ended')
  })

  it("the first is the README's first program", () => {
    const code = readText('examples/01-first-steps.ts').replace(/^\/\/.*\n/gmu, '')
    expect(/^```ts\n(?<code>.*?)^```/msu.exec(readText('README.md'))?.groups?.['code']).toBe(code)
  })
})

describeWithRedis('examples on Redis', () => {
  it(ON_REDIS, async () => {
    const server = await startRedis()
    const lines = await linesOf(ON_REDIS, { REDIS_URL: server.url })
    expect(lines.slice(0, -4)).toEqual([
      '-- publish before anybody watches',
      'published 2',
      'RESYNC interfaces (startup): eth0',
      'RESYNC routes (startup): 10.1.0.0/16 by eth0',
      'started: interfaces acked, routes acked',
      '-- a change from the controller',
      'CHANGE interface eth0: mtu 1500 -> mtu 9000',
      '-- a route by an interface that does not exist, then the interface',
      'health: degraded',
      'CHANGE interface eth1: none -> mtu 1500',
      'RESYNC routes (refused): 10.1.0.0/16 by eth0, 10.2.0.0/16 by eth1',
      'health: ok',
    ])
    // Redis has no order across keys.
    expect(lines.slice(-4).sort()).toEqual([
      'CHANGE interface eth0: mtu 9000 -> none',
      'CHANGE interface eth1: mtu 1500 -> none',
      'CHANGE route 10.1.0.0/16: delete',
      'CHANGE route 10.2.0.0/16: delete',
    ])
    expect(await server.cli('DBSIZE')).toBe('0')
  })
})

/** Runs an example as its first lines say; it has to end by itself with exit code 0. */
async function linesOf(
  name: string,
  more: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const { REDIS_URL: _, ...env } = process.env
  const args = ['--import', 'tsx', join('examples', `${name}.ts`)]
  const { stdout, stderr } = await run(process.execPath, args, {
    cwd: ROOT,
    env: { ...env, ...more, NODE_OPTIONS: '' },
    timeout: 60_000,
  })
  expect(stderr).toBe('')
  return stdout.trimEnd().split('\n')
}
