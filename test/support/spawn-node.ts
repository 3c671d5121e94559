import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { guardedSpawn } from './guarded-spawn.ts'
import type { Signal } from './guarded-spawn.ts'
import { ROOT } from './repository.ts'
import { onTeardown } from './teardown.ts'

export interface SpawnNodeOptions {
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** For Node itself, such as `--expose-gc`. */
  readonly execArgv?: readonly string[]
}

/** A TypeScript program in a process of its own; it is killed when the test file is over. */
export interface NodeProgram {
  readonly pid: number
  /** Its lines of stdout, each once, for one reader. */
  readonly lines: AsyncIterableIterator<string>
  /** What it wrote to stderr so far. */
  readonly errors: string
  /** Resolves when it has ended: its exit code, or the signal that ended it. */
  readonly exited: Promise<number | string>
  /** The next line of stdout. @throws Error with its stderr when there is none */
  nextLine(): Promise<string>
  /** Sends a signal; ends when the process has ended if the signal does that. */
  kill(signal?: Signal): Promise<void>
}

/** Runs a file as `node --import tsx` does; a path in the repository, or an absolute one. */
export function spawnNode(file: string, options: SpawnNodeOptions = {}): NodeProgram {
  const { args = [], env = {}, execArgv = [] } = options
  const child = guardedSpawn(
    process.execPath,
    ['--import', 'tsx', ...execArgv, file, ...args],
    // What Jest needs of Node is not for a program.
    { cwd: ROOT, env: { ...process.env, NODE_OPTIONS: '', JEST_WORKER_ID: '', ...env } },
  )
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('the output is not piped')
  let errors = ''
  stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-65_536)
  })
  const lines = createInterface({ input: stdout, crlfDelay: Infinity })[Symbol.asyncIterator]()
  const exited = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | string)
  const program: NodeProgram = {
    pid: child.pid ?? -1,
    lines,
    exited,
    get errors() {
      return errors
    },
    async nextLine() {
      const line = await lines.next()
      if (line.done !== true) return line.value
      throw new Error(`${file} ended (${await exited}) without a further line: ${errors.trim()}`)
    },
    async kill(signal = 'SIGKILL') {
      child.kill(signal)
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await exited
    },
  }
  onTeardown(() => program.kill('SIGKILL'))
  return program
}
