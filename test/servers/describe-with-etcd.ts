import { composeUp } from './compose.ts'
import { startEtcd } from './etcd-server.ts'
import { whyNoEtcd } from './provision-etcd.ts'
import { describeWithAny, describeWithOwn, whyNoComposeFor } from './server-describe.ts'
import type { ServerSource } from './server-describe.ts'

const source: ServerSource = {
  variable: 'ETCD_URL',
  missing: await whyNoEtcd(),
  start: async () => (await startEtcd()).url,
  compose: async () => `etcd://${await composeUp('etcd', 2379)}`,
}
const noCompose = await whyNoComposeFor(source)

/** For tests that start, stop and set up servers of their own (`startEtcd`, `startEtcdCluster`). */
export function describeWithEtcd(title: string, body: () => void): void {
  describeWithOwn(source, title, body)
}

/** For tests that any etcd will do for, shared with others; its URL. */
export function describeWithEtcdUrl(title: string, body: (url: () => string) => void): void {
  describeWithAny(source, noCompose, title, body)
}
