import type { Finding } from '../../api/finding.ts'
import type { CommandSpec } from '../command.ts'
import { EXIT, exitCodeOfCode } from '../exit-codes.ts'
import type { ExitCode } from '../exit-codes.ts'
import { diagnose } from '../open-transport.ts'
import type { Output } from '../output.ts'
import { printable } from '../../kit/printable.ts'

interface DoctorOptions {
  readonly strict?: boolean
}

const DEFAULT_TIMEOUT_MS = 30_000

/** `datasync doctor <url> [prefix…]` */
export const doctor: CommandSpec<DoctorOptions> = {
  name: 'doctor',
  summary: "say what is wrong with a server's or store's settings, and how to mend it",
  declare: (command) =>
    command
      .argument('<url>', 'the store')
      .argument(
        '[prefix...]',
        'beginnings of keys that have to be reached, where rights differ by key',
      )
      .option('--strict', 'warnings count as errors'),
  examples: [
    ['doctor redis://127.0.0.1:6379', 'rights, notifications, memory, role, limits'],
    ['doctor redis://app:secret@db:6379 /config/', 'may this user use keys under /config/?'],
    ['doctor etcd://a:2379,b:2379,c:2379 /config/', 'members, history, rights, alarms, limits'],
    ['doctor lmdb:./store --json', 'findings as JSON, for another program'],
  ],
  notes: `Nothing is changed. Exit code 0: no errors; 1: an error, or with --strict a warning; 2: there is no store,
or the URL is for another kind of server; 5: unreachable, access refused, in use, or notifications off and not
to be switched on; 6: --timeout is over (default: 30s).`,
  async run(session, [url = '', ...prefixes], { strict = false }) {
    const { output } = session
    const findings: Finding[] = []
    const over = new AbortController()
    const io = { ...session.io, signal: AbortSignal.any([session.signal, over.signal]) }
    const collect = async (): Promise<void> => {
      const location = session.locate(url)
      for await (const finding of diagnose(location, prefixes as string[], io)) {
        findings.push(finding)
        if (output.json) output.record(finding)
        else show(output, finding)
      }
    }
    try {
      await session.during('the examination', collect(), session.timeoutMs(DEFAULT_TIMEOUT_MS))
    } finally {
      over.abort()
    }
    if (!output.json) summarize(output, findings)
    return verdict(findings, strict)
  },
}

function show(output: Output, { level, check, detail, fix }: Finding): void {
  const { green, yellow, red, bold } = output.colors
  const mark = { ok: green('ok   '), warn: yellow('warn '), error: red('error') }[level]
  output.line(`${mark}  ${bold(printable(check))}: ${printable(detail)}`)
  if (fix !== undefined) output.line(`       → ${printable(fix)}`)
}

function summarize(output: Output, findings: readonly Finding[]): void {
  const count = (level: Finding['level']): number =>
    findings.filter((finding) => finding.level === level).length
  output.line(`${count('ok')} ok, ${count('warn')} to think about, ${count('error')} wrong`)
}

/** What watch, read or write would end with. */
function verdict(findings: readonly Finding[], strict: boolean): ExitCode {
  const error = findings.find(({ level }) => level === 'error')
  if (error !== undefined)
    return error.code === undefined ? EXIT.failed : exitCodeOfCode(error.code)
  return strict && findings.some(({ level }) => level === 'warn') ? EXIT.failed : EXIT.ok
}
