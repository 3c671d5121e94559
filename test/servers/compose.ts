import { join } from 'node:path'
import { onTeardown } from '../support/teardown.ts'
import { run } from './programs.ts'

/** Why Docker cannot be asked, as one line; undefined when it can. */
export async function whyNoCompose(): Promise<string | undefined> {
  try {
    await run('docker', ['info'])
    await run('docker', ['compose', 'version'])
    return undefined
  } catch (error) {
    return `docker compose does not work (${String(error).split('\n').at(-1)?.trim()})`
  }
}

/** Starts a service of compose.yaml until the test file is over; its `host:port`. */
export async function composeUp(service: string, port: number): Promise<string> {
  const file = join(import.meta.dirname, 'compose.yaml')
  const compose = (...args: readonly string[]): Promise<string> =>
    run('docker', ['compose', '-f', file, '-p', `rx-datasync-${process.pid}`, ...args])
  onTeardown(() => compose('down', '--volumes', '--timeout', '0'))
  await compose('up', '--detach', '--wait', service)
  return (await compose('port', service, String(port))).trim()
}
