import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '../support/repository.ts'
import { tempDir } from '../support/temp-dir.ts'

const run = promisify(execFile)
const NOT_COPIED = new Set(['node_modules', '.git', '.cache', 'dist', 'coverage'])

/** What a command printed, and how it ended. */
export interface Outcome {
  readonly code: number
  readonly output: string
}

/** Runs a command to its end and keeps what it printed; never throws for an exit code. */
export async function command(
  cwd: string,
  file: string,
  args: readonly string[],
): Promise<Outcome> {
  try {
    const { stdout, stderr } = await run(file, args, { cwd, timeout: 120_000 })
    return { code: 0, output: stdout + stderr }
  } catch (error) {
    const failed = error as Error & { code?: unknown; stdout?: string; stderr?: string }
    const code = typeof failed.code === 'number' ? failed.code : -1
    return { code, output: `${failed.stdout ?? ''}${failed.stderr ?? ''}${failed.message}` }
  }
}

/**
 * Builds and packs a copy of the repository, so that other tests keep their `dist`, with the package's own scripts.
 * Returns the path of the tarball.
 */
export async function packPackage(): Promise<string> {
  const folder = await tempDir('pack')
  const copy = join(folder, 'copy')
  await cp(ROOT, copy, {
    recursive: true,
    filter: (path) => !NOT_COPIED.has(basename(path)) && !path.endsWith('.tgz'),
  })
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'), 'dir')
  await expectSuccess(copy, 'npm', ['pack', '--pack-destination', folder])
  const tarball = (await readdir(folder)).find((name) => name.endsWith('.tgz'))
  if (tarball === undefined) throw new Error('npm pack left no tarball')
  return join(folder, tarball)
}

/** An empty project with the tarball installed as a user would. Returns its path. */
export async function installInProject(tarball: string): Promise<string> {
  const project = await tempDir('project')
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify({ name: 'a-project', version: '1.0.0', private: true }),
  )
  const quick = ['--no-audit', '--no-fund', '--prefer-offline']
  await expectSuccess(project, 'npm', ['install', ...quick, tarball])
  return project
}

/** Hides an installed package while `task` runs. */
export async function without<T>(
  project: string,
  name: string,
  task: () => Promise<T>,
): Promise<T> {
  const shown = join(project, 'node_modules', name)
  const hidden = join(project, 'hidden', name)
  await mkdir(join(hidden, '..'), { recursive: true })
  await rename(shown, hidden)
  try {
    return await task()
  } finally {
    await rename(hidden, shown)
  }
}

async function expectSuccess(cwd: string, file: string, args: readonly string[]): Promise<void> {
  const { code, output } = await command(cwd, file, args)
  if (code !== 0) throw new Error(`${file} ${args.join(' ')} failed:\n${output}`)
}
