import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'

/**
 * `npm run gen`: compiles proto/ as proto/buf.gen.yaml says. With `--check` nothing is written; exits with 1 when a
 * committed file differs from what the sources give.
 */
const root = join(import.meta.dirname, '..')
const check = process.argv.includes('--check')

const fresh = mkdtempSync(join(tmpdir(), 'rx-datasync-gen-'))
try {
  const buf = join(root, 'node_modules/@bufbuild/buf/bin/buf')
  const args = [buf, 'generate', '--template', 'proto/buf.gen.yaml', '--output', fresh]
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
  const files = readdirSync(fresh, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(fresh, join(entry.parentPath, entry.name)))
  if (files.length === 0) throw new Error('nothing was generated')
  for (const file of files) write(file, finished(readFileSync(join(fresh, file), 'utf8')))
} finally {
  rmSync(fresh, { recursive: true, force: true })
}

function write(file, text) {
  const path = join(root, file)
  if (!check) {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
    return
  }
  if (readIfPresent(path) === text) return
  console.error(`${file} is not what proto/ gives; run npm run gen`)
  process.exitCode = 1
}

/** The generator knows neither isolatedDeclarations nor imports with extensions: it leaves these types and ends out. */
function finished(code) {
  const typed = code
    .replace(/get (has\w+)\(\) \{/gu, 'get $1(): boolean {')
    .replace(
      /get (\w+)\(\) \{\n( +)const cases: \{\n +\[index: number\]: ([^;]+);/gu,
      (all, name, _indent, type) => all.replace(`get ${name}() {`, `get ${name}(): ${type} {`),
    )
    .replace(
      /toObject\(\) \{\n( +)const data: (\{[\s\S]*?\n\1\}) = \{\};/gu,
      (all, _indent, type) => all.replace('toObject() {', `toObject(): ${type} {`),
    )
    .replace(/from "(\.{1,2}\/[^"]+?)(?:\.ts)?";/gu, 'from "$1.ts";')
  // Enums and unchecked indices: what our own code may not have.
  return `// @ts-nocheck\n${typed}`
}

function readIfPresent(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}
