import { Option } from 'commander'
import type { Command } from 'commander'
import { parseDuration, parseSetting } from './arguments.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'
import type { ExitCode } from './exit-codes.ts'
import { reportFailure } from './failure.ts'
import { Secrets } from './secrets.ts'
import { Session } from './session.ts'
import type { CommonOptions, Ending, Surroundings } from './session.ts'

/** Only keeps the process from ending while a command runs. */
const KEEP_ALIVE_MS = 2 ** 30

/** How one command is declared. */
export interface CommandSpec<O extends object> {
  readonly name: string
  readonly summary: string
  /** Adds arguments and options. */
  readonly declare: (command: Command) => unknown
  /** Command lines and what they do. */
  readonly examples: readonly (readonly [line: string, what: string])[]
  /** More for the command's help, below the examples. */
  readonly notes?: string
  /** Runs until it is ended: Ctrl-C is its normal end, with 0. */
  readonly endless?: (options: O) => boolean
  /** Resolves with the exit code; undefined = 0. */
  readonly run: (
    session: Session,
    args: readonly (string | undefined)[],
    options: O & CommonOptions,
  ) => Promise<ExitCode | void>
}

/** Adds commands to the program and runs the one that is chosen. */
export class Commands {
  readonly #program: Command
  readonly #surroundings: Surroundings
  /** Undefined until a command has run. */
  exitCode: ExitCode | undefined

  constructor(program: Command, surroundings: Surroundings) {
    this.#program = program
    this.#surroundings = surroundings
  }

  add<O extends object>(spec: CommandSpec<O>): void {
    const command = this.#program.command(spec.name).summary(spec.summary).description(spec.summary)
    spec.declare(command)
    addCommonOptions(command)
    command.addHelpText('after', helpAfter(spec))
    command.action(async () => {
      const args = command.processedArgs.flat() as (string | undefined)[]
      this.exitCode = await this.#run(spec, args, command.opts())
    })
  }

  async #run<O extends object>(
    spec: CommandSpec<O>,
    args: readonly (string | undefined)[],
    options: O & CommonOptions,
  ): Promise<ExitCode> {
    const session = new Session(options, this.#surroundings, new Secrets())
    const release = watchEndings(session, this.#surroundings)
    // Nothing else may: an embedded store has no socket that would.
    const alive = setInterval(() => {}, KEEP_ALIVE_MS)
    let code: ExitCode
    try {
      code = (await spec.run(session, args, options)) ?? EXIT.ok
    } catch (error) {
      if (session.endedBy === undefined) {
        reportFailure(error, session.notes, options.verbose === true)
        code = exitCodeOf(error)
      } else code = endedCode(session.endedBy, spec.endless?.(options) === true)
    }
    const closed = await session.close()
    // A read of it that is cut short would keep the process.
    if (session.endedBy !== undefined) this.#surroundings.stdin.destroy()
    release()
    clearInterval(alive)
    return closed || code !== EXIT.ok ? code : EXIT.failed
  }
}

function endedCode(ending: Ending, endless: boolean): ExitCode {
  switch (ending) {
    case 'reader':
      return EXIT.ok
    case 'SIGINT':
      return endless ? EXIT.ok : EXIT.interrupted
    case 'SIGTERM':
      return endless ? EXIT.ok : EXIT.terminated
  }
}

/** Ctrl-C ends the command in order, a second one at once; so does a reader that goes away (`| head`). */
function watchEndings(session: Session, { stdout }: Surroundings): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    if (session.endedBy !== undefined) {
      process.exit(signal === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted)
    }
    session.end(signal === 'SIGTERM' ? 'SIGTERM' : 'SIGINT')
  }
  const onError = (): void => session.end('reader')
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  stdout.on('error', onError)
  return () => {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
    // Not the listener for errors: what was written last may still fail.
  }
}

function addCommonOptions(command: Command): void {
  command
    .optionsGroup('Common options:')
    .addOption(
      new Option('--json', 'one JSON object per line; the default when piped').conflicts('human'),
    )
    .option('--human', 'text for people; the default on a terminal')
    .option('--no-color', 'no colours')
    .option(
      '--timeout <duration>',
      'how long to wait for the server: 500ms, 30s, 5m',
      parseDuration,
    )
    .option('-s, --set <name=value>', 'a setting of the adapter; may be repeated', parseSetting)
    .option(
      '--tls-ca <file>',
      'authorities to trust (PEM), for rediss://, etcds://, kafkas://, https:// and grpcs://',
    )
    .option('--tls-cert <file>', 'our certificate (PEM)')
    .option('--tls-key <file>', 'the key of our certificate (PEM)')
    .option('--verbose', 'log to stderr, and show errors with their causes and stack')
    .helpOption('-h, --help', 'show this')
}

function helpAfter({ examples, notes }: CommandSpec<never>): string {
  const lines = examples.map(([line, what]) => `  $ datasync ${line}\n      ${what}`)
  return `\nExamples:\n${lines.join('\n')}${notes === undefined ? '' : `\n\n${notes}`}`
}
