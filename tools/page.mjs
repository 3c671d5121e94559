import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync, existsSync } from 'node:fs'
import { basename, join } from 'node:path'
import { build } from 'esbuild'

/**
 * The dashboard's page as files to serve: one script, one style sheet, one icon, each with a hash of its content in its
 * name, and the licences of what the script holds. `node tools/page.mjs --cache` makes them from the present sources in
 * a folder of .cache and prints its path.
 */
const root = join(import.meta.dirname, '..')
const page = join(root, 'src/dashboard/page')
const BUNDLED = ['preact', 'eventsource-parser']

/** Writes them to a folder. */
export async function buildPage(folder) {
  const files = await bundle()
  mkdirSync(folder, { recursive: true })
  for (const { name, contents } of files) writeFileSync(join(folder, name), contents)
}

async function bundle() {
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [
      { in: join(page, 'main.tsx'), out: 'dashboard' },
      { in: join(page, 'dashboard.css'), out: 'dashboard' },
      { in: join(page, 'icon.svg'), out: 'icon' },
    ],
    entryNames: '[name]-[hash]',
    outdir: root,
    write: false,
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022', 'chrome111', 'firefox114', 'safari16.4'],
    charset: 'utf8',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    loader: { '.svg': 'copy' },
    legalComments: 'none',
    logLevel: 'warning',
    tsconfig: join(page, 'tsconfig.json'),
  })
  const files = outputFiles.map(({ path, contents }) => ({ name: basename(path), contents }))
  return [...files, { name: 'licenses.txt', contents: Buffer.from(licences()) }]
}

function licences() {
  return BUNDLED.map((name) => {
    const text = readFileSync(join(root, 'node_modules', name, 'LICENSE'), 'utf8')
    return `${name}\n\n${text.trim()}\n`
  }).join('\n---\n\n')
}

if (process.argv.includes('--cache')) {
  const files = await bundle()
  const hash = createHash('sha256')
  for (const { name, contents } of files) hash.update(name).update(contents)
  const folder = join(root, '.cache/dashboard', hash.digest('hex').slice(0, 16))
  if (!existsSync(folder)) {
    // Others may be at it, too: it is there all at once.
    const fresh = `${folder}.${process.pid}`
    mkdirSync(fresh, { recursive: true })
    for (const { name, contents } of files) writeFileSync(join(fresh, name), contents)
    try {
      renameSync(fresh, folder)
    } catch (error) {
      if (!existsSync(folder)) throw error
      rmSync(fresh, { recursive: true })
    }
  }
  console.log(folder)
}
