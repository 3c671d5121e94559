import { Redis } from 'ioredis'
import { readFile } from 'node:fs/promises'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'
import { makeCertificates } from './redis-certificates.ts'
import type { RedisOptions } from './redis-options.ts'
import { startRedis } from './redis-server.ts'
import type { RedisServer } from './redis-server.ts'

const SLOTS = 16_384
const KEYS_AT_A_TIME = 100
const TURN_MS = 30_000

/** Every field is optional. Users of their own (`users`) are not for clusters. */
export interface RedisClusterOptions extends Omit<RedisOptions, 'users' | 'renameCommands'> {
  /** 3; fewer than three survive no failover. */
  readonly primaries?: number
  /** Of each primary; 0. */
  readonly replicas?: 0 | 1
}

/** Real servers that form a cluster; they are stopped when the test file is over. */
export interface RedisCluster {
  readonly seeds: readonly { readonly host: string; readonly port: number }[]
  /** `redis+cluster://h:p,h:p,h:p` (`rediss+cluster`), with `:password@` in front where there is one. */
  readonly url: string
  /** The primaries as they were made, then their replicas in the same order. */
  readonly nodes: readonly RedisServer[]
  /** redis-cli on one node; it follows no redirection. */
  cli(node: number, ...args: readonly string[]): Promise<string>
  slotOf(key: string): Promise<number>
  /** The index of the node that serves a slot, as the first running node sees it. */
  ownerOf(slot: number): Promise<number>
  /** Moves slots with their keys from one primary to another, as `redis-cli --cluster reshard` does; all nodes know it then. */
  moveSlots(from: number, to: number, slots: Iterable<number>): Promise<void>
  /** Kills a primary by SIGKILL; the index of the replica that has taken over, once all running nodes agree on it. */
  failover(primary: number): Promise<number>
  /** Waits until all running nodes say that every slot is served. */
  settled(): Promise<void>
  stop(): Promise<void>
}

/** @throws Error when there is no redis-server, or the cluster is not complete within 30 s */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { primaries = 3, replicas = 0, ...own } = options
  const settings: RedisOptions = { clusterNodeTimeoutMs: 1500, ...own }
  // The nodes have to trust each other.
  const shared =
    own.tls === true ? { ...settings, tls: await makeCertificates(await tempDir('tls')) } : settings
  const count = primaries * (1 + replicas)
  const nodes = await Promise.all(Array.from({ length: count }, () => startRedis(shared)))
  const cluster = new OwnRedisCluster(nodes)
  await cluster.form(primaries)
  return cluster
}

class OwnRedisCluster implements RedisCluster {
  readonly nodes: readonly RedisServer[]
  #ids: readonly string[] = []

  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes
  }

  get seeds(): readonly { readonly host: string; readonly port: number }[] {
    return this.nodes.map(({ host, port }) => ({ host, port }))
  }

  get url(): string {
    const { url } = this.#node(0)
    const hosts = this.seeds.map(({ host, port }) => `${host}:${port}`)
    return url.replace('://', '+cluster://').replace(hosts[0] ?? '', hosts.join(','))
  }

  async form(primaries: number): Promise<void> {
    const first = this.#node(0)
    for (const [index, node] of this.nodes.entries()) {
      await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1))
      if (index >= primaries) continue
      const start = Math.floor((SLOTS * index) / primaries)
      const end = Math.floor((SLOTS * (index + 1)) / primaries) - 1
      await node.cli('CLUSTER', 'ADDSLOTSRANGE', String(start), String(end))
    }
    for (const node of this.nodes.slice(1)) {
      const address = [first.host, first.port, first.clusterPort].map(String)
      await node.cli('CLUSTER', 'MEET', ...address)
    }
    this.#ids = await Promise.all(this.nodes.map((node) => node.cli('CLUSTER', 'MYID')))
    await this.#until('nodes know each other', (lines) =>
      this.#ids.every((id) => lines.some((line) => line.id === id && line.connected)),
    )
    for (const [index, node] of this.nodes.entries()) {
      if (index >= primaries) {
        await node.cli('CLUSTER', 'REPLICATE', this.#ids[index - primaries] ?? '')
      }
    }
    await this.#until('replicas are known', (lines) =>
      this.#ids
        .slice(primaries)
        .every((id) => lines.some((line) => line.id === id && !line.primary)),
    )
    for (const node of this.nodes.slice(primaries)) {
      await waitFor(async () => (await node.cli('ROLE')).includes('\nconnected\n'), {
        timeoutMs: TURN_MS,
        describe: 'the first copy of a replica',
      })
    }
    await this.settled()
  }

  cli(node: number, ...args: readonly string[]): Promise<string> {
    return this.#node(node).cli(...args)
  }

  async slotOf(key: string): Promise<number> {
    return Number(await this.#running().cli('CLUSTER', 'KEYSLOT', key))
  }

  async ownerOf(slot: number): Promise<number> {
    const lines = await nodeLines(this.#running())
    const owner = lines.find((line) => serves(line, slot))
    return this.#ids.indexOf(owner?.id ?? '')
  }

  async moveSlots(from: number, to: number, slots: Iterable<number>): Promise<void> {
    const target = this.#node(to)
    await using source = await connect(this.#node(from))
    await using sink = await connect(target)
    const moved = [...slots]
    for (const slot of moved) {
      await sink.call('SETSLOT', slot, 'IMPORTING', this.#id(from))
      await source.call('SETSLOT', slot, 'MIGRATING', this.#id(to))
      for (;;) {
        const keys = await source.keysInSlot(slot)
        if (keys.length === 0) break
        await source.migrate(target, keys)
      }
      // The new owner first: a crash in between leaves no slot without one.
      await sink.call('SETSLOT', slot, 'NODE', this.#id(to))
      await source.call('SETSLOT', slot, 'NODE', this.#id(to))
    }
    await this.#until('all nodes know the new owner', (lines) => {
      const owner = lines.find(({ id }) => id === this.#id(to))
      return owner !== undefined && moved.every((slot) => serves(owner, slot))
    })
  }

  async failover(primary: number): Promise<number> {
    const ranges = (await nodeLines(this.#running())).find((l) => l.id === this.#id(primary))?.slots
    const slot = ranges?.[0]?.[0]
    if (slot === undefined) throw new Error(`node ${primary} serves no slots`)
    await this.#node(primary).kill('SIGKILL')
    await this.#until('a replica has taken over', (lines) =>
      lines.some((line) => line.id !== this.#id(primary) && serves(line, slot)),
    )
    await this.settled()
    return await this.ownerOf(slot)
  }

  async settled(): Promise<void> {
    await this.#until('every slot is served', (lines, info) => {
      const served = lines.flatMap((line) => line.slots.map(([a, b]) => b - a + 1))
      return info.includes('cluster_state:ok') && served.reduce((a, b) => a + b, 0) === SLOTS
    })
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  /** Waits until every running node says so. */
  async #until(
    what: string,
    condition: (lines: readonly NodeLine[], info: string) => boolean,
  ): Promise<void> {
    for (const node of this.nodes) {
      if (!node.running) continue
      let seen = ''
      await waitFor(
        async () => {
          seen = await node.cli('CLUSTER', 'NODES')
          return condition(parseNodes(seen), await node.cli('CLUSTER', 'INFO'))
        },
        { timeoutMs: TURN_MS, describe: () => `${what}, on port ${node.port}:\n${seen}` },
      )
    }
  }

  #node(index: number): RedisServer {
    const node = this.nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    return node
  }

  #id(index: number): string {
    return this.#ids[index] ?? ''
  }

  #running(): RedisServer {
    const node = this.nodes.find(({ running }) => running)
    if (node === undefined) throw new Error('no node is running')
    return node
  }
}

/** One line of CLUSTER NODES. */
interface NodeLine {
  readonly id: string
  readonly primary: boolean
  readonly connected: boolean
  readonly slots: readonly (readonly [first: number, last: number])[]
}

function serves(line: NodeLine, slot: number): boolean {
  return line.slots.some(([first, last]) => first <= slot && slot <= last)
}

async function nodeLines(node: RedisServer): Promise<NodeLine[]> {
  return parseNodes(await node.cli('CLUSTER', 'NODES'))
}

function parseNodes(text: string): NodeLine[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [id = '', , flags = '', , , , , link, ...ranges] = line.split(' ')
      const slots = ranges
        .filter((range) => !range.startsWith('['))
        .map((range) => range.split('-').map(Number))
        .map(([first = 0, last = first]) => [first, last] as const)
      return { id, primary: flags.includes('master'), connected: link === 'connected', slots }
    })
}

/** Keys are bytes here: redis-cli would print them, and a process for each slot takes its time. */
async function connect(node: RedisServer) {
  const { password } = node
  const tls = node.ca === undefined ? {} : { tls: { ca: await readFile(node.ca) } }
  const secret = password === undefined ? {} : { password }
  const redis = new Redis({ host: node.host, port: node.port, ...secret, ...tls })
  return {
    call: (...args: readonly (string | number)[]) => redis.call('CLUSTER', ...args.map(String)),
    async keysInSlot(slot: number): Promise<Buffer[]> {
      const args = ['GETKEYSINSLOT', String(slot), String(KEYS_AT_A_TIME)]
      return (await redis.callBuffer('CLUSTER', ...args)) as Buffer[]
    },
    async migrate(target: RedisServer, keys: readonly Buffer[]): Promise<void> {
      const auth = target.password === undefined ? [] : ['AUTH', target.password]
      const where = [target.host, String(target.port), '', '0', '5000']
      await redis.call('MIGRATE', ...where, ...auth, 'KEYS', ...keys)
    },
    [Symbol.asyncDispose]: async () => {
      await redis.quit()
    },
  }
}
