import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import type { RestOptions } from '../adapters/rest/index.ts'
import type { Finding } from '../api/finding.ts'
import type { Io, Transport } from '../api/transport.ts'
import { UsageError } from './exit-codes.ts'

/** What a transport is opened for, beside reading. */
export interface Access {
  readonly watch?: boolean
  readonly write?: boolean
  /** Makes the store where there is none. */
  readonly create?: boolean
  /** Where there is no store, what it would be if it were made: empty. */
  readonly preview?: boolean
}

/** Where a store is, as the command line says it. */
export interface Location {
  readonly url: string
  /** Appears in messages; the scheme's own where it is undefined. */
  readonly name?: string | undefined
  /** From `--set`: options of the adapter, as docs/adapters has them. */
  readonly settings: Readonly<Record<string, unknown>>
  readonly tls: TlsFiles
}

/** Paths of PEM files. */
export interface TlsFiles {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
}

/** One technology. To add one, add an entry to {@link SCHEMES}. */
interface Scheme {
  /** What stands before the colon of its URLs. */
  readonly names: readonly string[]
  readonly example: string
  /** Nothing is contacted before the transport's `open`. */
  open(location: Location, access: Access): Promise<Transport>
  /** For `doctor`; parts of keys may be given, where rights differ by key. */
  diagnose(location: Location, prefixes: readonly string[], io: Io): AsyncIterable<Finding>
}

const SCHEMES: readonly Scheme[] = [
  {
    names: ['memory'],
    example: 'memory:',
    async open({ name, settings }) {
      const { memory } = await import('../adapters/memory/index.ts')
      return memory({ ...named(name), ...settings })
    },
    async *diagnose() {
      yield { level: 'ok', check: 'memory', detail: 'always there, and empty in every process' }
    },
  },
  {
    names: ['lmdb'],
    example: 'lmdb:./path/of/a/folder',
    async open({ url, name, settings }, access) {
      const { watch = false, write = false, create = false, preview = false } = access
      const path = pathOf(url)
      if (preview && !(await isStore(path))) {
        const { memory } = await import('../adapters/memory/index.ts')
        return memory(named(name))
      }
      if (!create) await requireStore(path)
      const { lmdb } = await import('../adapters/lmdb/index.ts')
      return lmdb({ path, readOnly: !watch && !write && !create, ...named(name), ...settings })
    },
    async *diagnose({ url, settings }, _prefixes, io) {
      const { diagnoseLmdb } = await import('../adapters/lmdb/doctor.ts')
      yield* diagnoseLmdb({ path: pathOf(url), ...settings }, io)
    },
  },
  {
    names: ['redis', 'rediss', 'redis+cluster', 'rediss+cluster'],
    example: 'redis://[user:password@]host[:port][/db]',
    async open(location, { watch = false }) {
      const { redis } = await import('../adapters/redis/index.ts')
      // Who does not watch leaves the server's notification settings alone.
      return redis({
        ...(watch ? {} : { notifications: 'tracking' }),
        ...named(location.name),
        ...(await redisOptions(location)),
      })
    },
    async *diagnose(location, prefixes, io) {
      const { diagnoseRedis } = await import('../adapters/redis/doctor.ts')
      yield* diagnoseRedis(await redisOptions(location), prefixes, io)
    },
  },
  {
    names: ['etcd', 'etcds'],
    example: 'etcd://[user:password@]host[:port][,host[:port]]',
    async open(location) {
      const { etcd } = await import('../adapters/etcd/index.ts')
      return etcd({ ...named(location.name), ...(await tlsOptions(location)) })
    },
    async *diagnose(location, prefixes, io) {
      const { diagnoseEtcd } = await import('../adapters/etcd/doctor.ts')
      yield* diagnoseEtcd(await tlsOptions(location), prefixes, io)
    },
  },
  {
    names: ['kafka', 'kafkas'],
    example: 'kafka://[user:password@]host[:port][,host[:port]…]/topic',
    async open(location) {
      const { kafka } = await import('../adapters/kafka/index.ts')
      return kafka({ ...named(location.name), ...(await tlsOptions(location)) })
    },
    async *diagnose(location, _prefixes, io) {
      const { diagnoseKafka } = await import('../adapters/kafka/doctor.ts')
      yield* diagnoseKafka(await tlsOptions(location), io)
    },
  },
  {
    names: ['http', 'https'],
    example: 'http://[:token@]host[:port][/path]',
    async open(location) {
      const { rest } = await import('../adapters/rest/index.ts')
      return rest({ ...named(location.name), ...(await restOptions(location)) })
    },
    async *diagnose(location, prefixes, io) {
      const { diagnoseRest } = await import('../adapters/rest/doctor.ts')
      yield* diagnoseRest(await restOptions(location), prefixes, io)
    },
  },
  {
    names: ['grpc', 'grpcs'],
    example: 'grpc://[:token@]host[:port][,host[:port]…]',
    async open(location) {
      const { grpc } = await import('../adapters/grpc/index.ts')
      return grpc({ ...named(location.name), ...(await tlsOptions(location)) })
    },
    async *diagnose(location, prefixes, io) {
      const { diagnoseGrpc } = await import('../adapters/grpc/doctor.ts')
      yield* diagnoseGrpc(await tlsOptions(location), prefixes, io)
    },
  },
]

/** The lines of the help about URLs. */
export const URL_HELP: string = [
  'URLs:',
  ...SCHEMES.map(({ names, example }) => urlLine(example, names.slice(1))),
  '  env:NAME is the URL in the environment variable NAME: it keeps passwords out of ps.',
].join('\n')

/**
 * The transport for a URL; its adapter and driver are loaded now.
 * @throws UsageError for an unknown scheme and where no store is, InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export function openTransport(location: Location, access: Access): Promise<Transport> {
  return schemeOf(location.url).open(location, access)
}

/** Looks at a server or store without a change to it. @throws UsageError, InvalidOptionError */
export function diagnose(
  location: Location,
  prefixes: readonly string[],
  io: Io,
): AsyncIterable<Finding> {
  return schemeOf(location.url).diagnose(location, prefixes, io)
}

function urlLine(example: string, others: readonly string[]): string {
  if (others.length === 0) return `  ${example}`
  return `  ${example}\n      also ${others.map((name) => `${name}://`).join(', ')}`
}

function schemeOf(url: string): Scheme {
  const name = /^(?<name>[a-z][a-z\d+.-]*):/u.exec(url)?.groups?.['name']
  const scheme = SCHEMES.find(({ names }) => name !== undefined && names.includes(name))
  if (scheme !== undefined) return scheme
  const known = SCHEMES.flatMap(({ names }) => names).map((known) => `${known}:`)
  throw new UsageError(
    name === undefined
      ? `${JSON.stringify(url)} is no URL: it has no scheme`
      : `the scheme ${JSON.stringify(`${name}:`)} is unknown`,
    { hint: `known: ${known.join(', ')}; for example ${exampleOf('redis')}` },
  )
}

function exampleOf(name: string): string {
  return SCHEMES.find(({ names }) => names.includes(name))?.example ?? ''
}

function named(name: string | undefined): { name?: string } {
  return name === undefined ? {} : { name }
}

/** Of `lmdb:./a`, `lmdb:/a`, `lmdb:///a`. */
function pathOf(url: string): string {
  const path = url.slice(url.indexOf(':') + 1).replace(/^\/\/(?=[./])/u, '')
  if (path === '')
    throw new UsageError('the URL names no folder', { hint: 'lmdb:./path/of/a/folder' })
  return path
}

async function isStore(path: string): Promise<boolean> {
  return stat(join(path, 'data.mdb')).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
}

/** Whoever only looks must not leave an empty store behind at a mistyped path. */
async function requireStore(path: string): Promise<void> {
  const hint = 'is the path right? A put makes a store'
  try {
    await stat(join(path, 'data.mdb'))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT') throw new UsageError(`there is no store at ${path}`, { hint })
    if (code === 'ENOTDIR') throw new UsageError(`${path} is not a folder`, { hint })
    // Of other trouble the adapter says more.
  }
}

async function redisOptions({ url, settings, tls }: Location): Promise<{ url: string }> {
  const files = await readTlsFiles(tls)
  if (files === undefined) return { url, ...settings }
  const inner = typeof settings['options'] === 'object' ? settings['options'] : {}
  const withTls = { ...settings, options: { tls: files, ...inner } }
  return { url, ...withTls }
}

/** The password of the URL is the token: `--set token=env:NAME` keeps it out of ps. */
async function restOptions({ url, settings, tls }: Location): Promise<RestOptions> {
  const {
    scheme = '',
    login,
    rest = '',
  } = /^(?<scheme>https?:\/\/)(?:(?<login>[^/]*)@)?(?<rest>.*)$/su.exec(url)?.groups ?? {}
  const token = login?.slice(login.indexOf(':') + 1)
  const files = await readTlsFiles(tls)
  if (files === undefined) return { url: scheme + rest, ...tokenOf(token), ...settings }
  if (scheme !== 'https://')
    throw new UsageError('--tls-ca, --tls-cert and --tls-key need https://')
  const { tlsFetch } = await import('./tls-fetch.ts')
  return { url: scheme + rest, ...tokenOf(token), fetch: tlsFetch(files), ...settings }
}

function tokenOf(text: string | undefined): { token?: string } {
  if (text === undefined || text === '') return {}
  try {
    return { token: decodeURIComponent(text) }
  } catch {
    throw new UsageError('the token in the URL has a broken percent code')
  }
}

async function tlsOptions({ url, settings, tls }: Location): Promise<{ url: string }> {
  const files = await readTlsFiles(tls)
  return { url, ...(files === undefined ? {} : { tls: files }), ...settings }
}

async function readTlsFiles(tls: TlsFiles): Promise<ConnectionOptions | undefined> {
  const options: ConnectionOptions = {}
  for (const name of ['ca', 'cert', 'key'] as const) {
    const path = tls[name]
    if (path === undefined) continue
    options[name] = await readFile(path).catch((cause: unknown) => {
      throw new UsageError(`--tls-${name}: cannot read ${path}`, { cause })
    })
  }
  return Object.keys(options).length === 0 ? undefined : options
}
