import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { runInThisContext } from 'node:vm'

export type Signal = 'SIGKILL' | 'SIGTERM' | 'SIGINT' | 'SIGSTOP' | 'SIGCONT'

const SETPRIV = '/usr/bin/setpriv'

/**
 * Starts a program that dies with this process, on Linux also when that gets SIGKILL. Its stdin is closed, its output
 * is for the caller to read.
 */
export function guardedSpawn(
  command: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: NodeJS.ProcessEnv },
): ChildProcess {
  const settings = { ...options, stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'] }
  if (process.platform === 'linux' && existsSync(SETPRIV)) {
    return spawn(SETPRIV, ['--pdeathsig', 'KILL', '--', command, ...args], settings)
  }
  const child = spawn(command, args, settings)
  killAtExit(child)
  return child
}

function killAtExit(child: ChildProcess): void {
  // Jest gives tests a copy of `process` whose events never fire.
  const realProcess = runInThisContext('process') as NodeJS.Process
  const onExit = (): void => {
    child.kill('SIGKILL')
  }
  realProcess.once('exit', onExit)
  child.once('close', () => realProcess.removeListener('exit', onExit))
}
