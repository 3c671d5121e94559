import { startRedis } from '../test/servers/redis.ts'
import type { Shared } from './scenario.ts'

export type Settings = Readonly<Record<string, string>>

export function urlOf(settings: Settings): string {
  return settings['url'] as string
}

/** A redis-server of our own for the sides of one scenario. */
export async function server(): Promise<Shared> {
  const started = await startRedis({
    // A burst must not be cut off on either side: what a cut costs is another question.
    config: { 'client-output-buffer-limit': 'pubsub 0 0 0', 'notify-keyspace-events': 'KA' },
  })
  const version = /redis_version:(\S+)/.exec(await started.cli('INFO', 'server'))?.[1] ?? '?'
  return {
    settings: { url: started.url },
    versions: [`Redis ${version}`],
    close: () => started.stop(),
  }
}
