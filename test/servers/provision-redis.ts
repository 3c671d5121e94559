import { constants } from 'node:fs'
import { access } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** The programs found. */
export interface RedisPrograms {
  readonly server: string
  readonly cli: string
}

/** @throws Error saying what was tried */
export async function requireRedis(): Promise<RedisPrograms> {
  const server = await findProgram('redis-server')
  const cli = await findProgram('redis-cli')
  if (server === undefined || cli === undefined) throw new Error('no redis-server')
  return { server, cli }
}

async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, name)
    try {
      await access(path, constants.X_OK)
      return path
    } catch {
      continue
    }
  }
  return undefined
}
