import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildPage } from './page.mjs'

/** Compiles src to a fresh dist, with the files of the dashboard's page, and makes the command executable. */
const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const compiler = join(root, 'node_modules/typescript/bin/tsc')
const { status } = spawnSync(
  process.execPath,
  [compiler, '-p', join(root, 'tsconfig.build.json')],
  { cwd: root, stdio: 'inherit' },
)
if (status !== 0) process.exit(status ?? 1)

await buildPage(join(dist, 'dashboard/assets'))

const command = join(dist, 'cli/main.js')
if (existsSync(command)) chmodSync(command, 0o755)
