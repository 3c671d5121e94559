import { createRequire } from 'node:module'
import { Command, CommanderError } from 'commander'
import { Commands } from './command.ts'
import { del } from './commands/del.ts'
import { demo } from './commands/demo.ts'
import { doctor } from './commands/doctor.ts'
import { get } from './commands/get.ts'
import { ls } from './commands/ls.ts'
import { mirror } from './commands/mirror.ts'
import { put } from './commands/put.ts'
import { serve } from './commands/serve.ts'
import { watch } from './commands/watch.ts'
import { EXIT, EXIT_HELP } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { URL_HELP } from './open-transport.ts'
import { Secrets } from './secrets.ts'
import type { Surroundings } from './session.ts'

const DESCRIPTION = `Watch, read, write and copy the data of rx-datasync stores.`

/** Runs a command line, without node and script; resolves with the exit code once everything is closed. */
export async function run(argv: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const written = watchWriting(surroundings)
  const code = await runProgram(argv, surroundings)
  return (await written()) || code !== EXIT.ok ? code : EXIT.failed
}

async function runProgram(argv: readonly string[], surroundings: Surroundings): Promise<ExitCode> {
  const program = createProgram(surroundings)
  const commands = new Commands(program, surroundings)
  commands.add(watch)
  commands.add(get)
  commands.add(ls)
  commands.add(put)
  commands.add(del)
  commands.add(mirror)
  commands.add(serve)
  commands.add(doctor)
  commands.add(demo)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return commands.exitCode ?? EXIT.ok
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    const shown = error.code === 'commander.helpDisplayed' || error.code === 'commander.version'
    return shown ? EXIT.ok : EXIT.usage
  }
}

/**
 * Tells when stdout cannot be written; a reader that went away (`| head`) is no failure. What is returned resolves when
 * everything is written: true unless that failed.
 */
function watchWriting({ stdout, stderr }: Surroundings): () => Promise<boolean> {
  let failed = false
  stdout.on('error', ({ code = 'UNEXPECTED', message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || failed) return
    failed = true
    stderr.write(`error[${code}]: writing failed: ${message}\n`)
  })
  stderr.on('error', () => {}) // there is nobody left to tell
  return async () => {
    await new Promise<void>((resolve) => {
      stdout.write('', () => resolve())
    })
    return !failed
  }
}

function createProgram({ stdout, stderr }: Surroundings): Command {
  const secrets = new Secrets()
  const program = new Command('datasync')
    .description(DESCRIPTION)
    .version(packageVersion(), '--version', 'show the version')
    .helpOption('-h, --help', 'show this')
    .helpCommand('help [command]', 'show how a command is used')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(secrets.mask(usageError(text))),
    })
    .configureHelp({ subcommandTerm })
  program.addHelpText(
    'after',
    `
Examples:
  $ datasync demo
      see what it does: no server, no set-up
  $ datasync watch redis://127.0.0.1:6379 /config/
      the state under a prefix, then every change with its previous value
  $ datasync mirror redis://127.0.0.1:6379 lmdb:./copy /config/
      keep a local copy

${URL_HELP}

${EXIT_HELP}

\`datasync help <command>\` tells about a command.`,
  )
  return program
}

/** Without `[options]`, which all have. */
function subcommandTerm(command: Command): string {
  const names = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`
    return argument.required ? `<${name}>` : `[${name}]`
  })
  return [command.name(), ...names].join(' ')
}

/** As all errors look; commander's own text begins with `error:`. */
function usageError(text: string): string {
  const [first = '', ...rest] = text.trim().split('\n')
  const hints = rest.filter((line) => line !== '').map((line) => `hint: ${line}\n`)
  const help = 'hint: --help shows how it is used\n'
  return `${first.replace(/^error:/u, 'error[USAGE]:')}\n${hints.join('')}${help}`
}

function packageVersion(): string {
  const manifest: unknown = createRequire(import.meta.url)('rx-datasync/package.json')
  return (manifest as { version: string }).version
}
