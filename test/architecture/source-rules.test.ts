import { describe, expect, it } from '@jest/globals'
import { parseSync } from '@swc/core'
import { filesUnder, readText } from '../support/repository.ts'

const files = filesUnder('src', '.ts').filter((file) => !file.startsWith('src/gen/'))

interface Node {
  readonly type: string
  readonly [field: string]: unknown
}

/** Their bodies run later, when they are called or constructed. */
const RUNS_LATER = new Set([
  'FunctionDeclaration',
  'FunctionExpression',
  'ArrowFunctionExpression',
  'ClassMethod',
  'PrivateMethod',
  'ClassProperty',
  'PrivateProperty',
  'Constructor',
  'GetterProperty',
  'SetterProperty',
  'MethodProperty',
])

describe('source rules', () => {
  it('has no top-level await, which would break require() of the package', () => {
    expect(files.filter((file) => awaitsAtLoad(readText(file)))).toEqual([])
  })

  it('reads process.env in cli only', () => {
    const outside = files.filter((file) => !file.startsWith('src/cli/'))
    expect(outside.filter((file) => readsEnvironment(readText(file)))).toEqual([])
  })

  it('has no variable at module level that is assigned again', () => {
    expect(files.filter((file) => hasModuleVariable(readText(file)))).toEqual([])
  })

  it('W24: joins signals once per connection or command only: each time leaves a trace at the older one', () => {
    // Where it is done per call, `onAbort` of src/kit/abortable.ts takes its listener back.
    expect(files.filter((file) => readText(file).includes('AbortSignal.any('))).toEqual([
      'src/cli/commands/doctor.ts',
      'src/grpc-link/client.ts',
      'src/testing/interruptible.ts',
    ])
  })

  it('has no TODO without an issue', () => {
    const open = files.filter((file) => /\b(?:TODO|FIXME|XXX)\b(?!.*#\d+)/u.test(readText(file)))
    expect(open).toEqual([])
  })
})

describe('the checks themselves', () => {
  it.each([
    'await f()',
    'export const a = await f()',
    'for await (const a of b) f(a)',
    'if (a) { await b }',
    'await using a = f()',
  ])('finds the await of %s', (text) => {
    expect(awaitsAtLoad(text)).toBe(true)
  })

  it.each([
    'export async function f(): Promise<void> { await g() }',
    'class A { async b(): Promise<void> { for await (const c of d) c() } }',
    'const f = async () => await g()',
    'const o = { async m() { await using a = f() } }',
  ])('leaves %s alone', (text) => {
    expect(awaitsAtLoad(text)).toBe(false)
  })

  it.each([`process.env['A']`, `process\n  .env`, `import { env } from 'node:process'`])(
    'finds the environment in %s',
    (text) => {
      expect(readsEnvironment(text)).toBe(true)
    },
  )
})

function awaitsAtLoad(text: string): boolean {
  return parse(text).some((node) => contains(node, isAwait))
}

function hasModuleVariable(text: string): boolean {
  return parse(text).some((node) => {
    const statement = node.type === 'ExportDeclaration' ? (node['declaration'] as Node) : node
    return statement.type === 'VariableDeclaration' && statement['kind'] !== 'const'
  })
}

function readsEnvironment(text: string): boolean {
  return (
    /\bprocess\s*\.\s*env\b|\bprocess\s*\[\s*['"]env['"]/u.test(text) ||
    /\{[^}]*\benv\b[^}]*\}\s*from\s*['"](?:node:)?process['"]/u.test(text)
  )
}

function isAwait(node: Node): boolean {
  if (node.type === 'AwaitExpression') return true
  if (node.type === 'UsingDeclaration') return node['isAwait'] === true
  return node.type === 'ForOfStatement' && Boolean(node['isAwait'] ?? node['await'])
}

/** Looks at what runs while the module loads. */
function contains(value: unknown, test: (node: Node) => boolean): boolean {
  if (Array.isArray(value)) return value.some((item) => contains(item, test))
  if (typeof value !== 'object' || value === null) return false
  const node = value as Node
  if (RUNS_LATER.has(node.type)) return false
  return test(node) || Object.values(node).some((field) => contains(field, test))
}

function parse(text: string): Node[] {
  const module = parseSync(text, { syntax: 'typescript', target: 'esnext' })
  return module.body as unknown as Node[]
}
