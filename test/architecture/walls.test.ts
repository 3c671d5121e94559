import { describe, expect, it } from '@jest/globals'
import { filesUnder, readText } from '../support/repository.ts'
import { importsIn, importsOf } from './imports.ts'
import type { Import } from './imports.ts'

/** What the files of a folder may import; .oxlintrc.json tells the same, with the reason, to who types it. */
interface Wall {
  readonly folder: string
  /** Folders or files of `src`, beside the folder itself. */
  readonly ours: readonly string[]
  /** Packages and built-in modules; `*` at the end stands for any rest. */
  readonly packages: readonly string[]
  /** The same, but only with `import type`. */
  readonly types?: readonly string[]
}

const WALLS: readonly Wall[] = [
  { folder: 'api', ours: [], packages: [], types: ['rxjs'] },
  { folder: 'kit', ours: ['api/errors', 'api/clock'], packages: [], types: ['api/transport'] },
  { folder: 'source', ours: ['api', 'kit'], packages: [] },
  { folder: 'engine', ours: ['api', 'kit', 'source'], packages: ['rxjs'] },
  { folder: 'resync', ours: ['api', 'kit', 'engine'], packages: ['rxjs'] },
  {
    folder: 'agent',
    ours: ['api', 'kit', 'engine', 'resync', 'telemetry'],
    packages: ['rxjs'],
  },
  { folder: 'adapters/memory', ours: ['api', 'kit'], packages: ['node:*'] },
  { folder: 'adapters/lmdb', ours: ['api', 'kit'], packages: ['lmdb', 'node:*'] },
  { folder: 'adapters/redis', ours: ['api', 'kit'], packages: ['ioredis', 'node:*'] },
  { folder: 'grpc-link', ours: ['api', 'kit'], packages: ['@grpc/grpc-js', 'node:*'] },
  {
    folder: 'adapters/etcd',
    ours: ['api', 'kit', 'grpc-link'],
    packages: ['@grpc/grpc-js', 'protobufjs', 'node:*'],
  },
  { folder: 'adapters/kafka', ours: ['api', 'kit'], packages: ['kafkajs', 'rxjs', 'node:*'] },
  { folder: 'adapters/composite', ours: ['api', 'kit', 'source'], packages: ['node:*'] },
  { folder: 'adapters/prefixed', ours: ['api', 'kit'], packages: ['node:*'] },
  { folder: 'adapters/cached', ours: ['api', 'kit', 'source'], packages: [] },
  {
    folder: 'adapters/rest/server',
    ours: ['api', 'kit', 'serving', 'adapters/rest'],
    packages: ['express', 'node:*'],
  },
  { folder: 'adapters/rest', ours: ['api', 'kit'], packages: ['eventsource-parser'] },
  {
    folder: 'adapters/grpc/server',
    ours: ['api', 'kit', 'grpc-link', 'serving', 'adapters/grpc'],
    packages: ['@grpc/grpc-js', '@grpc/reflection', 'grpc-health-check', 'protobufjs', 'node:*'],
  },
  {
    folder: 'adapters/grpc',
    ours: ['api', 'kit', 'grpc-link'],
    packages: ['@grpc/grpc-js', 'protobufjs', 'node:*'],
  },
  { folder: 'serving', ours: ['api', 'kit'], packages: ['rate-limiter-flexible', 'node:*'] },
  { folder: 'dashboard', ours: ['*'], packages: ['*'] },
  {
    folder: 'telemetry',
    ours: ['api'],
    packages: ['prom-client', '@opentelemetry/api', 'node:*'],
  },
  { folder: 'testing', ours: ['api', 'kit'], packages: ['node:assert/strict', 'node:assert'] },
  { folder: 'gen', ours: [], packages: ['google-protobuf'] },
  { folder: 'cli', ours: ['*'], packages: ['*'] },
]

/** Loaded by the command line only when a URL asks for them. */
const LAZY = [
  'adapters/lmdb',
  'adapters/redis',
  'adapters/etcd',
  'adapters/kafka',
  'adapters/rest',
  'adapters/grpc',
  'dashboard',
  'express',
  'lmdb',
  'ioredis',
  '@grpc/grpc-js',
  'kafkajs',
]

/** Entries and libraries of their own, which `rx-datasync` does not load. */
const APART = [...LAZY, 'telemetry/index', 'prom-client', '@opentelemetry/api']

const files = filesUnder('src', '.ts')
const imports = files.flatMap(importsOf)
const wallOf = (file: string): Wall | undefined =>
  WALLS.find(({ folder }) => file.startsWith(`src/${folder}/`))
const at = ({ file, line, target }: Import): string => `${file}:${line} imports ${target}`

describe('import walls', () => {
  it('has a wall for every folder of src', () => {
    expect(files.filter((file) => file !== 'src/index.ts' && wallOf(file) === undefined)).toEqual(
      [],
    )
  })

  it('are those that CONTRIBUTING.md shows', () => {
    const rows = [...readText('CONTRIBUTING.md').matchAll(/^\| `(.+?)` \| (.*) \|$/gmu)]
    const shown = rows.map((row) => [row[1], names(row[2] ?? '')])
    for (const { folder, ours, types = [], packages } of WALLS) {
      expect(shown).toContainEqual([folder, new Set([...ours, ...types, ...packages])])
    }
  })

  it.each(WALLS)('src/$folder imports only what its row allows', (wall) => {
    const own = imports.filter(({ file }) => wallOf(file) === wall)
    expect(own.filter((line) => !allowed(wall, line)).map(at)).toEqual([])
  })

  it('src/index.ts holds names only', () => {
    const statements = withoutComments(readText('src/index.ts'))
      .split(/\n(?=export|import|const|let|function|class|interface|type)/u)
      .map((statement) => statement.trim())
      .filter((statement) => statement !== '')
    const reExport = /^export (?:type )?(?:\{[^}]*\}|\*(?: as \w+)?) from '\.\/[\w/-]+\.ts'$/u
    expect(statements.filter((statement) => !reExport.test(statement))).toEqual([])
  })

  it('src/index.ts loads no driver', () => {
    expect([...reachable('src/index.ts')].filter((target) => APART.includes(target))).toEqual([])
  })

  it('nothing imports cli; the dashboard nobody but cli', () => {
    const above = (file: string, folder: string): boolean =>
      imports.some((line) => line.file === file && line.ours && within(line.target, folder))
    const outside = (folder: string): string[] =>
      files.filter((file) => !file.startsWith(`src/${folder}/`) && above(file, folder))
    expect(outside('cli')).toEqual([])
    expect(outside('dashboard').filter((file) => !file.startsWith('src/cli/'))).toEqual([])
  })

  it('cli loads drivers lazily', () => {
    const breaches = imports.filter(
      ({ file, target, typeOnly, dynamic }) =>
        file.startsWith('src/cli/') &&
        !typeOnly &&
        !dynamic &&
        LAZY.some((lazy) => within(target, lazy)),
    )
    expect(breaches.map(at)).toEqual([])
  })
})

describe('the reader of import lines', () => {
  it('finds every form', () => {
    const text = [
      `import { a } from './a.ts'`,
      `import type { B } from '../api/b.ts'`,
      'import {',
      '  c,',
      `} from "rxjs/operators"`,
      `export * from './d.ts'`,
      `export type { E } from '@scope/e/f'`,
      `import 'node:fs/promises'`,
      `const g = await import('lmdb')`,
      `export const h = 'x'`,
      ` * import { i } from 'comment'`,
    ].join('\n')
    expect(
      importsIn('src/kit/x.ts', text).map(({ line, target, typeOnly, dynamic }) => [
        line,
        target,
        typeOnly ? 'type' : dynamic ? 'dynamic' : 'value',
      ]),
    ).toEqual([
      [1, 'kit/a', 'value'],
      [2, 'api/b', 'type'],
      [3, 'rxjs', 'value'],
      [6, 'kit/d', 'value'],
      [7, '@scope/e', 'type'],
      [8, 'node:fs/promises', 'value'],
      [9, 'lmdb', 'dynamic'],
    ])
  })
})

function allowed(wall: Wall, { target, ours, typeOnly }: Import): boolean {
  const matches = (pattern: string): boolean =>
    pattern.endsWith('*')
      ? target.startsWith(pattern.slice(0, -1))
      : ours
        ? within(target, pattern)
        : target === pattern
  if (typeOnly && wall.types?.some(matches) === true) return true
  return ours ? [wall.folder, ...wall.ours].some(matches) : wall.packages.some(matches)
}

/** What stands in backticks; `await import()` is a remark. */
function names(cell: string): Set<string> {
  const all = [...cell.matchAll(/`([^`()]+)`/gu)].map((match) => match[1] ?? '')
  return new Set(all)
}

function within(target: string, folder: string): boolean {
  return target === folder || target.startsWith(`${folder}/`)
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//gu, '').replace(/^\s*\/\/.*$/gmu, '')
}

/** Packages and own files that a file loads, directly or through others. */
function reachable(file: string, seen: Set<string> = new Set()): Set<string> {
  for (const line of imports) {
    if (line.file !== file || line.typeOnly || line.dynamic || seen.has(line.target)) continue
    seen.add(line.target)
    if (line.ours) reachable(`src/${line.target}.ts`, seen)
  }
  return seen
}
