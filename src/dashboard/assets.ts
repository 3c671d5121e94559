import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export interface Asset {
  readonly type: string
  readonly body: Buffer
}

/** The files of the page. */
export interface Assets {
  /** Names that hold a hash of what is inside: they never change. */
  readonly files: ReadonlyMap<string, Asset>
  readonly page: Asset
  /** Tells one build of them from another. */
  readonly build: string
}

const TYPES: Readonly<Record<string, string>> = {
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
}

/** Reads what the build has made. From sources, where nothing was built, it is built now. */
export async function loadAssets(): Promise<Assets> {
  const folder = import.meta.url.endsWith('.ts') ? await bundle() : built()
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort()
  const files = new Map<string, Asset>()
  for (const name of names) {
    const type = TYPES[name.slice(name.lastIndexOf('.') + 1)]
    if (type !== undefined) files.set(name, { type, body: await readFile(join(folder, name)) })
  }
  const [script, style, icon] = ['.js', '.css', '.svg'].map((end) => {
    const name = names.find((candidate) => candidate.endsWith(end))
    if (name === undefined) throw new Error(`the dashboard has no ${end} in ${folder}`)
    return name
  })
  const build = `${script} ${style}`
  const html = pageOf(`${script}`, `${style}`, `${icon}`, build)
  return { files, page: { type: 'text/html; charset=utf-8', body: Buffer.from(html) }, build }
}

function built(): string {
  return fileURLToPath(new URL('assets/', import.meta.url))
}

async function bundle(): Promise<string> {
  const tool = fileURLToPath(new URL('../../tools/page.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [tool, '--cache'])
  return stdout.trim()
}

/** Nothing of it comes from outside: names of files that we have made. */
function pageOf(script: string, style: string, icon: string, build: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="build" content="${build}">
<title>datasync</title>
<link rel="icon" href="assets/${icon}" type="image/svg+xml">
<link rel="stylesheet" href="assets/${style}">
<script type="module" src="assets/${script}"></script>
</head>
<body>
<div id="app"><noscript>This page needs JavaScript; everything that it shows is also told by agent.health().</noscript></div>
</body>
</html>
`
}
