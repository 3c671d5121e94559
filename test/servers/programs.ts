import { spawn } from 'node:child_process'
import { constants } from 'node:fs'
import { access, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** The path of a program in PATH (or in the folders given), undefined when it is not there. */
export async function findProgram(
  name: string,
  path: string = process.env['PATH'] ?? '',
): Promise<string | undefined> {
  for (const folder of path.split(delimiter)) {
    const program = join(folder, name)
    if (await isExecutable(program)) return program
  }
  return undefined
}

/** Runs a program to its end. @throws Error with the last of its output when it fails */
export async function run(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  const keep = (text: string): void => {
    output = (output + text).slice(-65_536)
  }
  child.stdout.setEncoding('utf8').on('data', keep)
  child.stderr.setEncoding('utf8').on('data', keep)
  const code = await new Promise<number | null>((resolve) => {
    child.once('error', (error) => {
      keep(error.message)
      resolve(null)
    })
    child.once('close', resolve)
  })
  if (code === 0) return output
  throw new Error(`${command} ${args.join(' ')} failed (${code}): ${output.trim().slice(-2000)}`)
}

/** Where Debian asks whether a package's service may be started. */
const POLICY = '/usr/sbin/policy-rc.d'
/** Held by whichever of our processes calls apt-get. */
const LOCK = join(tmpdir(), 'rx-datasync-apt.lock')

/** Why {@link installDebian} cannot be asked; undefined when it can. */
export async function whyNotDebian(): Promise<string | undefined> {
  if ((await findProgram('apt-get')) === undefined) return 'there is no apt-get'
  return process.getuid?.() === 0 ? undefined : 'apt-get would need root'
}

/**
 * Installs a Debian package without letting its service start, now or with the machine. Several processes may ask at
 * once: they wait for each other.
 * @throws Error with what apt-get said
 */
export async function installDebian(pkg: string, service?: string): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // apt-get waits for the lock of the packages, but not for that of the lists.
  const apt = (...args: readonly string[]): Promise<string> =>
    run('flock', [LOCK, 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], env)
  const install = (): Promise<string> => apt('install', '-y', '--no-install-recommends', pkg)
  const ourPolicy = await forbidServices()
  try {
    await install().catch(async () => {
      await apt('update')
      await install()
    })
  } finally {
    if (ourPolicy) await rm(POLICY, { force: true })
  }
  if (service === undefined) return
  // A policy of the machine's own may have let it start.
  if (await isExecutable('/run/systemd/system')) {
    await run('systemctl', ['disable', '--now', service])
  } else if (await isExecutable(`/etc/init.d/${service}`)) {
    await run(`/etc/init.d/${service}`, ['stop'])
  }
}

async function forbidServices(): Promise<boolean> {
  try {
    await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { flag: 'wx', mode: 0o755 })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
