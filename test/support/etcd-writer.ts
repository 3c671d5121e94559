import { Etcd3 } from 'etcd3'
import { onTeardown } from './teardown.ts'

/** Another program that writes to an etcd, by a driver of its own. */
export class EtcdWriter {
  readonly client: Etcd3

  constructor(server: { readonly url: string }) {
    const hosts = server.url
      .replace('etcd://', '')
      .split(',')
      .map((host) => `http://${host}`)
    this.client = new Etcd3({ hosts })
    onTeardown(() => this.client.close())
  }

  /** The revision of the put. */
  async put(key: string, value: string): Promise<number> {
    const { header } = await this.client.put(key).value(value)
    return Number(header.revision)
  }

  async delete(key: string): Promise<number> {
    const { header } = await this.client.delete().key(key)
    return Number(header.revision)
  }

  /** Everything under the prefix. */
  async clear(prefix = '/f/'): Promise<void> {
    await this.client.delete().prefix(prefix)
  }

  /** One revision for all. */
  async txn(pairs: Readonly<Record<string, string>>): Promise<void> {
    const puts = Object.entries(pairs).map(([key, value]) => this.client.put(key).value(value))
    await this.client
      .if('none', 'Version', '==', 0)
      .then(...puts)
      .commit()
  }

  /** So many keys `/f/0`, `/f/1`, …; what is there then. */
  async fill(count: number, value: string): Promise<Record<string, string>> {
    const pairs = Array.from({ length: count }, (_, i) => [`/f/${i}`, value] as const)
    for (let i = 0; i < count; i += 100) {
      await this.txn(Object.fromEntries(pairs.slice(i, i + 100)))
    }
    return Object.fromEntries(pairs)
  }

  /** So many revisions of their own. */
  async puts(count: number, key: (i: number) => string, value = 'x'): Promise<void> {
    for (let i = 0; i < count; i += 200) {
      const some = Array.from({ length: Math.min(200, count - i) }, (_, j) => i + j)
      await Promise.all(some.map((n) => this.put(key(n), value)))
    }
  }

  async stored(prefix = '/f/'): Promise<Record<string, string>> {
    return this.client
      .getAll()
      .prefix(prefix)
      .strings()
      .then((pairs) =>
        Object.fromEntries(
          Object.entries(pairs).map(([key, value]) => [
            prefix + key.slice(key.startsWith(prefix) ? prefix.length : 0),
            value,
          ]),
        ),
      )
  }
}
