import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { filesUnder, readText, ROOT } from '../support/repository.ts'

interface Manifest {
  readonly name: string
  readonly type: string
  readonly license: string
  readonly engines: { readonly node: string }
  readonly files: readonly string[]
  readonly bin: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, Readonly<Record<string, string>> | string>>
  readonly scripts: Readonly<Record<string, string>>
}

const manifest = JSON.parse(readText('package.json')) as Manifest
const entries = Object.entries(manifest.exports).filter(([name]) => name !== './package.json')

describe('entry points', () => {
  it('are those that the README lists in a table, one row each', () => {
    const rows = [...readText('README.md').matchAll(/^\| *`(rx-datasync(?:\/[^`]+)?)` *\|/gmu)]
    const documented = rows.map((row) => row[1] ?? '')
    const exported = entries.map(([name]) => name.replace(/^\./u, manifest.name))
    expect(documented.sort()).toEqual(exported.sort())
  })

  it.each(entries)('%s has exactly types and default, of the same source', (_name, entry) => {
    expect(typeof entry).toBe('object')
    const { types, default: code, ...rest } = entry as Record<string, string>
    expect(rest).toEqual({})
    expect(Object.keys(entry)).toEqual(['types', 'default'])
    expect(types?.replace(/\.d\.ts$/u, '')).toBe(code?.replace(/\.js$/u, ''))
    expect(existsSync(sourceOf(code ?? ''))).toBe(true)
  })

  it('the command is one of ours and says how it is run', () => {
    expect(Object.keys(manifest.bin)).toEqual(['datasync'])
    const source = sourceOf(manifest.bin['datasync'] ?? '')
    expect(existsSync(source)).toBe(true)
    expect(readText('src/cli/main.ts')).toMatch(/^#!\/usr\/bin\/env node\n/u)
  })

  it('everything that the package lists to publish exists', () => {
    const made = new Set(['dist'])
    const missing = manifest.files.filter(
      (name) => !made.has(name) && !existsSync(join(ROOT, name)),
    )
    expect(missing).toEqual([])
    expect(existsSync(join(ROOT, 'LICENSE'))).toBe(true)
  })
})

describe('the test run', () => {
  it('reaches every test file', async () => {
    const config = (await import(join(ROOT, 'jest.config.mjs'))) as {
      default: { projects: readonly { readonly testMatch: readonly string[] }[] }
    }
    const folders = config.default.projects
      .flatMap(({ testMatch }) => testMatch)
      .map((pattern) => /^<rootDir>\/(test\/[\w-]+\/)\*\*\/\*\.test\.ts$/u.exec(pattern)?.[1])
    const files = filesUnder('test', '.test.ts')
    const lost = files.filter((file) => !folders.some((f) => f !== undefined && file.startsWith(f)))
    expect(lost).toEqual([])
  })
})

function sourceOf(output: string): string {
  return join(ROOT, output.replace('./dist/', 'src/').replace(/\.js$/u, '.ts'))
}
