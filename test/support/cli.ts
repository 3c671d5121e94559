import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { guardedSpawn } from './guarded-spawn.ts'
import type { Signal } from './guarded-spawn.ts'
import { ROOT } from './repository.ts'
import { onTeardown } from './teardown.ts'
import { waitFor } from './wait-for.ts'

/** A line of JSON that the command wrote. */
export type CliRecord = Readonly<Record<string, unknown>>

/** What is left when the command has ended. */
export interface CliOutcome {
  /** The exit code, or the signal that ended it. */
  readonly code: number | string
  readonly stdout: string
  readonly stderr: string
  /** Of stdout, when it is lines of JSON. */
  readonly records: readonly CliRecord[]
}

/** The command `datasync` in a process of its own; it is killed when the test file is over. */
export interface Cli {
  readonly pid: number
  readonly stdout: string
  readonly stderr: string
  /** The lines of JSON on stdout so far. */
  readonly records: readonly CliRecord[]
  readonly exited: Promise<CliOutcome>
  /** The first record that fits, as soon as there is one. @throws Error when the command ends without it */
  record(matches: (record: CliRecord) => boolean): Promise<CliRecord>
  /** Resolves when stderr holds the text. */
  says(text: string): Promise<void>
  /** Sends a signal; ends when the process has ended if the signal does that. */
  kill(signal: Signal): Promise<CliOutcome | undefined>
}

/** Compiled once per test file: a process starts three times as fast as from the sources. */
const compiled: { main?: string } = {}

function mainFile(): string {
  if (compiled.main !== undefined) return compiled.main
  const cache = join(ROOT, '.cache')
  mkdirSync(cache, { recursive: true })
  // Inside the repository, so that the packages are found.
  const folder = mkdtempSync(join(cache, 'cli-'))
  onTeardown(() => rmSync(folder, { recursive: true, force: true }))
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  execFileSync(process.execPath, [compiler, '-p', 'tsconfig.build.json', '--outDir', folder], {
    cwd: ROOT,
  })
  const page = execFileSync(process.execPath, ['tools/page.mjs', '--cache'], { cwd: ROOT })
  cpSync(page.toString().trim(), join(folder, 'dashboard/assets'), { recursive: true })
  compiled.main = join(folder, 'cli/main.js')
  return compiled.main
}

/** Starts `datasync` with arguments. */
export function startCli(args: readonly string[], env: Readonly<Record<string, string>> = {}): Cli {
  return start(process.execPath, [mainFile(), ...args], env)
}

/** Runs `datasync` to its end. */
export function runCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CliOutcome> {
  return startCli(args, env).exited
}

/** Runs a line of shell, in which `datasync` stands for the command, to its end. */
export function runShell(
  line: string,
  env: Readonly<Record<string, string>> = {},
): Promise<CliOutcome> {
  const command = `datasync() { "${process.execPath}" "${mainFile()}" "$@"; }`
  return start('bash', ['-c', `${command}\nexport -f datasync\n${line}`], env).exited
}

function start(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Cli {
  const child = guardedSpawn(command, args, {
    cwd: ROOT,
    // What Jest needs of Node is not for a program.
    env: { ...process.env, NODE_OPTIONS: '', JEST_WORKER_ID: '', FORCE_COLOR: '', ...env },
  })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  let ended = false
  const exited = once(child, 'close').then(([code, signal]) => {
    ended = true
    const result = (code ?? signal) as number | string
    return { code: result, stdout, stderr, records: recordsIn(stdout) }
  })
  const cli: Cli = {
    pid: child.pid ?? -1,
    exited,
    get stdout() {
      return stdout
    },
    get stderr() {
      return stderr
    },
    get records() {
      return recordsIn(stdout)
    },
    async record(matches) {
      const describe = (): string =>
        `a record of ${args.join(' ')}\n${stdout.slice(-2_000)}${stderr}`
      const found = await waitFor(() => recordsIn(stdout).find(matches) ?? (ended && 'ended'), {
        timeoutMs: 30_000,
        describe,
      })
      if (found === 'ended') throw new Error(`ended without ${describe()}`)
      return found as CliRecord
    },
    async says(text) {
      await waitFor(() => stderr.includes(text), {
        timeoutMs: 30_000,
        describe: () => `${JSON.stringify(text)} in ${stderr}`,
      })
    },
    async kill(signal) {
      child.kill(signal)
      return signal === 'SIGSTOP' || signal === 'SIGCONT' ? undefined : exited
    },
  }
  onTeardown(() => {
    if (!ended) child.kill('SIGKILL')
    return exited
  })
  return cli
}

/** Lines that are no JSON are for people. */
function recordsIn(stdout: string): CliRecord[] {
  return stdout.split('\n').flatMap((line) => {
    try {
      return line.startsWith('{') ? [JSON.parse(line) as CliRecord] : []
    } catch {
      return []
    }
  })
}
