import { beforeAll } from '@jest/globals'
import { describeServer } from '../support/server-suite.ts'
import { composeUp, whyNoCompose } from './compose.ts'
import { startEtcd } from './etcd-server.ts'
import { whyNoEtcd } from './provision-etcd.ts'

const givenUrl = process.env['ETCD_URL'] || undefined
const noPrograms = await whyNoEtcd()
const noCompose =
  givenUrl === undefined && noPrograms !== undefined ? await whyNoCompose() : undefined

/**
 * A describe for tests that start, stop and set up servers of their own (`startEtcd`, `startEtcdCluster`). Without an
 * etcd the suite is skipped with the reason, and fails with `CI=true`.
 */
export function describeWithEtcd(title: string, body: () => void): void {
  const hint = givenUrl === undefined ? '' : '; ETCD_URL is not enough, servers are killed here'
  describeServer(title, noPrograms === undefined ? undefined : noPrograms + hint, body)
}

/**
 * A describe for tests that any etcd will do for, shared with others: the one of ETCD_URL, else one of our own, else one
 * of docker compose. `url` may be called in hooks and tests.
 */
export function describeWithEtcdUrl(title: string, body: (url: () => string) => void): void {
  const missing = noCompose === undefined ? undefined : `${noPrograms}; ${noCompose}`
  describeServer(title, missing, () => {
    let url: string | undefined
    beforeAll(async () => {
      url = givenUrl ?? (await startShared())
    }, 120_000)
    body(() => {
      if (url === undefined) throw new Error('url() was called before the hooks have run')
      return url
    })
  })
}

async function startShared(): Promise<string> {
  if (noPrograms === undefined) return (await startEtcd()).url
  return `etcd://${await composeUp('etcd', 2379)}`
}
