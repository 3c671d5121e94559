import type { Agent } from '../../agent/agent.ts'
import { hasPrefix } from '../../api/key.ts'
import type { ResyncEvent } from '../../api/resync-event.ts'
import { parseDuration } from '../arguments.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../exit-codes.ts'
import { sameBytes } from '../mirror/differences.ts'
import { KeyMapping } from '../mirror/key-mapping.ts'
import { Mirror } from '../mirror/mirror.ts'
import { MirrorReport } from '../mirror/mirror-report.ts'
import { TargetGuard } from '../mirror/target-guard.ts'
import type { Session } from '../session.ts'
import { StatusLine } from '../status-line.ts'

interface MirrorCommandOptions {
  readonly once?: boolean
  readonly dryRun?: boolean
  readonly stripPrefix?: string
  readonly addPrefix?: string
  readonly verify: number
  readonly watchTarget: boolean
}

const NAME = 'mirror'
const ONCE_TIMEOUT_MS = 30_000
/** Between two comparisons that the target's changes ask for. */
const PAUSE_MS = 1_000

/** `datasync mirror <source-url> <target-url> <prefix…>` */
export const mirror: CommandSpec<MirrorCommandOptions> = {
  name: 'mirror',
  summary: 'keep a copy: make the target equal to the source under prefixes, until Ctrl-C',
  declare: (command) =>
    command
      .argument('<source-url>', 'is only read')
      .argument(
        '<target-url>',
        'is written; keys under the prefixes that the source lacks are deleted',
      )
      .argument('<prefix...>', "beginnings of keys; '' for all")
      .option('--once', 'end when the target is equal to the source')
      .option('--dry-run', 'only show what --once would write')
      .option('--strip-prefix <text>', "taken off the source's keys", '')
      .option('--add-prefix <text>', "put before the target's keys", '')
      .option(
        '--verify <duration>',
        'how often everything is compared without a reason; 0 never',
        parseDuration,
        300_000,
      )
      .option('--no-watch-target', 'do not look for changes that others make to the target'),
  examples: [
    ['mirror redis://prod:6379 lmdb:./copy /config/', 'a local copy that follows'],
    ['mirror redis://a:6379 redis://b:6379 /config/ /routes/ --once', 'copy and end'],
    ['mirror redis://a:6379 redis://b:6379 /config/ --dry-run', 'what would change'],
    [
      'mirror redis://a:6379 redis://b:6379 /config/ --strip-prefix /config/ --add-prefix /copies/a/',
      '/config/x becomes /copies/a/x',
    ],
  ],
  notes: `The target belongs to the mirror under the prefixes: what others write there is written over. Values are
copied, times to live are not: a key that expires in the source is deleted in the target. After every failed
write everything is compared again. --set and --tls-… go to both sides.`,
  endless: ({ once, dryRun }) => once !== true && dryRun !== true,
  async run(session, [sourceUrl = '', targetUrl = '', ...given], options) {
    const prefixes = given as string[]
    const keys = new KeyMapping(options.stripPrefix ?? '', options.addPrefix ?? '', prefixes)
    assertApart(session, sourceUrl, targetUrl, prefixes, keys)
    const dryRun = options.dryRun === true
    const once = options.once === true || dryRun
    const report = new MirrorReport(session)

    const guarded = !once && options.watchTarget
    const target = await openTarget(session, targetUrl, guarded, !dryRun)
    const running = new Mirror({
      target,
      prefixes,
      keys,
      writing: (write) => guard.writing(write),
      dryRun: dryRun ? (write) => report.wouldWrite(write) : undefined,
      lost: (error) => source.reportError(NAME, error),
    })
    session.onClose(async () => report.end())
    // After the source is closed, before the target is: what was taken is written.
    session.onClose(() => running.finish())
    const source = await session.agent(sourceUrl, { watch: true }, 'source')
    const compare = comparer(source)
    const guard = new TargetGuard({
      busy: () => running.busy,
      differing: (changed) => differing(source, target, keys, changed),
      compare,
    })
    session.onClose(async () => guard.stop())
    report.follow(running)

    if (guarded) await guardTarget(session, target, keys, prefixes, guard, compare)
    const first = watchSource(source, prefixes, running, report, once)
    const status = new StatusLine(session.notes, source)
    session.onClose(async () => status.stop())
    status.follow(first.registration)
    const started = source.start()
    const limit = session.timeoutMs(once ? ONCE_TIMEOUT_MS : 0)
    await session.during(
      'waiting for the source',
      Promise.race([first.begun, started.then(() => first.begun)]),
      limit,
    )
    if (once) return session.during(NAME, first.done, 0)
    const verify = every(options.verify, compare)
    session.onClose(async () => clearInterval(verify))
    await session.during(NAME, Promise.all([started, session.ended()]), 0)
  },
}

/** @throws UsageError where the mirror would read what it writes */
function assertApart(
  session: Session,
  sourceUrl: string,
  targetUrl: string,
  prefixes: readonly string[],
  keys: KeyMapping,
): void {
  const place = (url: string): string => session.locate(url).url.replace(/\/\/.*@/su, '//')
  if (place(sourceUrl) !== place(targetUrl) || sourceUrl === 'memory:') return
  const written = prefixes.map((prefix) => keys.toTarget(prefix))
  const overlap = prefixes.some((read) =>
    written.some((prefix) => hasPrefix(read, prefix) || hasPrefix(prefix, read)),
  )
  if (overlap) throw new UsageError('source and target are the same keys of the same store')
}

async function openTarget(
  session: Session,
  url: string,
  watch: boolean,
  write: boolean,
): Promise<Agent> {
  return session.agent(url, { watch, write, create: write }, 'target')
}

/** Starts to watch the target; where that cannot be, says so and goes on without. */
async function guardTarget(
  session: Session,
  target: Agent,
  keys: KeyMapping,
  prefixes: readonly string[],
  guard: TargetGuard,
  compare: () => void,
): Promise<void> {
  const registration = target.watch(
    NAME,
    prefixes.map((prefix) => keys.toTarget(prefix)),
    { delivery: 'latest' },
  )
  registration.handle({
    resync: ({ reason }) => {
      if (reason !== 'startup') compare()
    },
    change: (event) => guard.changed(event),
  })
  const status = new StatusLine(session.notes, target)
  session.onClose(async () => status.stop())
  status.follow(registration)
  await session.during('waiting for the target', target.start())
}

interface FirstRound {
  readonly registration: ReturnType<Agent['watch']>
  /** The first RESYNC has come. */
  readonly begun: Promise<void>
  /** The target was equal to it. Rejects with `once` when it could not be made equal. */
  readonly done: Promise<void>
}

function watchSource(
  source: Agent,
  prefixes: readonly string[],
  running: Mirror,
  report: MirrorReport,
  once: boolean,
): FirstRound {
  const registration = source.watch(NAME, prefixes, {
    // Of a state only the newest value counts; fewer writes where the target is the slower one.
    delivery: 'latest',
    doneTimeoutMs: { change: 0, resync: 0 },
  })
  let begun = (): void => {}
  const beginning = new Promise<void>((resolve) => {
    begun = resolve
  })
  const done = new Promise<void>((resolve, reject) => {
    const resync = async (event: ResyncEvent): Promise<void> => {
      begun()
      const startedAt = Date.now()
      try {
        report.resynced(event.reason, await running.resync(event), Date.now() - startedAt)
        resolve()
      } catch (error) {
        if (once) reject(error as Error)
        throw error
      }
    }
    registration.handle({ resync, change: (event) => running.change(event) })
  })
  done.catch(() => {}) // only with `once` anybody waits for it
  return { registration, begun: beginning, done }
}

/** Has everything compared, at most once at a time and with a pause between. */
function comparer(source: Agent): () => void {
  let wanted = false
  let active = false
  const compare = async (): Promise<void> => {
    active = true
    while (wanted) {
      wanted = false
      await source.resync([NAME])
      await new Promise<void>((resolve) => {
        setTimeout(resolve, PAUSE_MS).unref()
      })
    }
    active = false
  }
  return () => {
    wanted = true
    // A closed source compares nothing any more.
    if (!active) compare().catch(() => {})
  }
}

function every(ms: number, task: () => void): NodeJS.Timeout | undefined {
  return ms === 0 ? undefined : setInterval(task, ms).unref()
}

async function differing(
  source: Agent,
  target: Agent,
  keys: KeyMapping,
  changed: readonly string[],
): Promise<boolean> {
  for (const key of changed) {
    const [want, have] = await Promise.all([source.get(keys.toSource(key)), target.get(key)])
    if (want === undefined || have === undefined) {
      if (want !== have) return true
    } else if (!sameBytes(want.bytes, have.bytes)) return true
  }
  return false
}
