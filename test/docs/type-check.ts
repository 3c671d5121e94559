import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readText, ROOT } from '../support/repository.ts'
import { onTeardown } from '../support/teardown.ts'
import type { Example } from './examples.ts'

const run = promisify(execFile)

/** The compiler's complaints per document, as `document:line:column message`. */
export type Complaints = ReadonlyMap<string, readonly string[]>

/** Compiles all examples at once against the sources of the package. */
export async function typeCheck(examples: readonly Example[]): Promise<Complaints> {
  await mkdir(join(ROOT, '.cache'), { recursive: true })
  // Inside the repository: imports of rxjs and others resolve as in the sources.
  const folder = await mkdtemp(join(ROOT, '.cache/docs-'))
  onTeardown(() => rm(folder, { recursive: true, force: true }))
  const documents = new Map<string, string>()
  for (const { document, line, code } of examples) {
    const name = `${document.replaceAll('/', '__')}.L${line}.ts`
    documents.set(name, document)
    await writeFile(join(folder, name), code)
  }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config([...documents.keys()])))
  return complaints(await compile(folder), documents)
}

/** The package's own names lead to the sources, as package.json leads users to what is built from them. */
function config(files: readonly string[]): object {
  const { name, exports } = JSON.parse(readText('package.json')) as {
    name: string
    exports: Record<string, { default?: string }>
  }
  const paths: Record<string, string[]> = {}
  for (const [entry, target] of Object.entries(exports)) {
    if (target.default === undefined) continue
    const source = target.default.replace('./dist/', 'src/').replace(/\.js$/u, '.ts')
    paths[entry.replace('.', name)] = [`../../${source}`]
  }
  return {
    extends: '../../tsconfig.json',
    compilerOptions: { isolatedDeclarations: false, declaration: false, paths },
    include: [],
    files,
  }
}

async function compile(folder: string): Promise<string> {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  try {
    await run(process.execPath, [compiler, '-p', folder, '--pretty', 'false'], { cwd: folder })
    return ''
  } catch (error) {
    return (error as { stdout?: string }).stdout || String(error)
  }
}

/** A complaint that lies in no document is of all: the sources do not compile. */
function complaints(output: string, documents: ReadonlyMap<string, string>): Complaints {
  const found = new Map<string, string[]>()
  // What follows a complaint's first line is indented.
  for (const text of output.split(/\n(?=\S)/u)) {
    if (text.trim() === '') continue
    const match = /^(?<file>[^(\n]+)\((?<line>\d+),(?<column>\d+)\): (?<message>.*)$/su.exec(text)
    const { file = '', line, column, message } = match?.groups ?? {}
    const document = documents.get(file)
    const all = document === undefined ? [...new Set(documents.values())] : [document]
    const shown = document === undefined ? text.trim() : `${document}:${line}:${column} ${message}`
    for (const one of all) found.set(one, [...(found.get(one) ?? []), shown.trimEnd()])
  }
  return found
}
