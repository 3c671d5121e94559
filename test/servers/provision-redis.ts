import { findProgram, installDebian, whyNotDebian } from './programs.ts'

/** The programs found, as paths. */
export interface RedisPrograms {
  readonly server: string
  readonly cli: string
}

/** There is no server, and none could be installed; the message says what was tried. */
export class MissingServerError extends Error {
  override readonly name = 'MissingServerError'
}

/**
 * The Redis of this machine: the one in PATH, else Debian's, which is installed when we are root.
 * @throws MissingServerError
 */
export async function requireRedis(): Promise<RedisPrograms> {
  const present = await findRedis()
  if (present !== undefined) return present
  const obstacle = await whyNotDebian()
  if (obstacle !== undefined) {
    throw new MissingServerError(`no redis-server and redis-cli in PATH, and ${obstacle}`)
  }
  try {
    await installDebian('redis-server', 'redis-server')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new MissingServerError(`redis-server could not be installed: ${why}`, { cause })
  }
  const installed = await findRedis()
  if (installed === undefined) throw new MissingServerError('apt-get installed no redis-server')
  return installed
}

/** Why {@link requireRedis} fails, as one line; undefined when it does not. */
export async function whyNoRedis(): Promise<string | undefined> {
  try {
    await requireRedis()
    return undefined
  } catch (error) {
    if (error instanceof MissingServerError) return error.message.replace(/\s+/gu, ' ')
    throw error
  }
}

async function findRedis(): Promise<RedisPrograms | undefined> {
  const server = await findProgram('redis-server')
  const cli = await findProgram('redis-cli')
  return server === undefined || cli === undefined ? undefined : { server, cli }
}
