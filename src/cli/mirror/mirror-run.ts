import type { Agent } from '../../agent/agent.ts'
import { hasPrefix } from '../../api/key.ts'
import type { ResyncEvent } from '../../api/resync-event.ts'
import { UsageError } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { StatusLine } from '../status-line.ts'
import { sameBytes } from './differences.ts'
import { KeyMapping } from './key-mapping.ts'
import { Mirror } from './mirror.ts'
import { MirrorReport } from './mirror-report.ts'
import { openTarget, openWatchedTarget } from './mirror-target.ts'
import type { MirrorTarget } from './mirror-target.ts'
import { placeOf } from './place.ts'
import { TargetGuard } from './target-guard.ts'

export interface MirrorRunOptions {
  readonly once?: boolean
  readonly dryRun?: boolean
  readonly stripPrefix: string
  readonly addPrefix: string
  /** ms; 0 = never */
  readonly verify?: number
  readonly watchTarget: boolean
}

const NAME = 'mirror'
const VERIFY_MS = 300_000
/** Until the source has told its state, with `--once`. */
const ONCE_TIMEOUT_MS = 30_000
/** At the end, for what is under way; the next start compares everything. */
const FINISH_MS = 5_000
/** Between two comparisons that the target's changes ask for. */
const PAUSE_MS = 1_000

/** Puts together what a mirror needs: source, target, comparison, guard and report. */
export class MirrorRun {
  readonly #session: Session
  readonly #options: MirrorRunOptions
  readonly #prefixes: readonly string[]
  readonly #keys: KeyMapping
  readonly #report: MirrorReport
  /** What the target tells before there is one is part of the first comparison. */
  #guard: TargetGuard | undefined

  /** @throws UsageError */
  constructor(session: Session, options: MirrorRunOptions, prefixes: readonly string[]) {
    this.#session = session
    this.#options = options
    this.#prefixes = prefixes
    this.#keys = new KeyMapping(options.stripPrefix, options.addPrefix, prefixes)
    this.#report = new MirrorReport(session)
  }

  /** Ends when it is ended from outside; with `once` when the target is equal to the source. */
  async execute(sourceUrl: string, targetUrl: string): Promise<void> {
    const session = this.#session
    this.#assertApart(sourceUrl, targetUrl)
    const target = await this.#openTarget(targetUrl)
    const mirror: Mirror = this.#mirror(target, (error) => {
      if (!session.signal.aborted) source.reportError(NAME, error)
    })
    if (!this.#dryRun) session.onClose(async () => this.#report.end())
    // After the source is closed, before the target is: what was taken is written.
    session.onClose(() => within(FINISH_MS, mirror.finish()))
    const source = await session.agent(sourceUrl, { watch: true }, 'source')
    const compare = comparer(source)
    if (target.watched) {
      this.#guard = new TargetGuard({
        busy: () => mirror.busy,
        differing: (keys) => this.#differing(source, target.agent, keys),
        compare,
      })
    }
    session.onClose(async () => this.#guard?.stop())
    this.#report.follow(mirror)

    const { begun, done } = this.#watch(source, mirror)
    const started = source.start()
    await session.during(
      'waiting for the source',
      Promise.race([begun, started.then(() => begun)]),
      session.timeoutMs(this.#once ? ONCE_TIMEOUT_MS : 0),
      () => source.listing,
    )
    if (this.#once) {
      await session.during(NAME, done, 0)
      return
    }
    const verifyMs = this.#options.verify ?? VERIFY_MS
    const verify = verifyMs === 0 ? undefined : setInterval(compare, verifyMs)
    session.onClose(async () => clearInterval(verify))
    await session.during(NAME, Promise.all([started, session.ended()]), 0)
  }

  get #once(): boolean {
    return this.#options.once === true || this.#dryRun
  }

  get #dryRun(): boolean {
    return this.#options.dryRun === true
  }

  #openTarget(url: string): Promise<MirrorTarget> {
    if (this.#once || !this.#options.watchTarget) {
      return openTarget(this.#session, url, !this.#dryRun)
    }
    const prefixes = this.#prefixes.map((prefix) => this.#keys.toTarget(prefix))
    return openWatchedTarget(this.#session, url, prefixes, {
      changed: (event) => this.#guard?.changed(event),
      lost: () => this.#guard?.lost(),
    })
  }

  #mirror({ agent, ready }: MirrorTarget, lost: (error: unknown) => void): Mirror {
    return new Mirror({
      target: agent,
      ready,
      prefixes: this.#prefixes,
      keys: this.#keys,
      writing: (write) => this.#guard?.writing(write),
      dryRun: this.#dryRun ? (write) => this.#report.wouldWrite(write) : undefined,
      lost,
    })
  }

  #watch(source: Agent, mirror: Mirror): { begun: Promise<void>; done: Promise<void> } {
    const registration = source.watch(NAME, this.#prefixes, {
      // Of a state only the newest value counts; fewer writes where the target is the slower one.
      delivery: 'latest',
      doneTimeoutMs: { change: 0, resync: 0 },
    })
    let begin = (): void => {}
    const begun = new Promise<void>((resolve) => {
      begin = resolve
    })
    const done = new Promise<void>((resolve, reject) => {
      const resync = async (event: ResyncEvent): Promise<void> => {
        begin()
        const startedAt = performance.now()
        try {
          const counts = await mirror.resync(event)
          const ms = Math.round(performance.now() - startedAt)
          if (this.#dryRun) this.#report.wouldTake(counts)
          else this.#report.resynced(event.reason, counts, ms)
          resolve()
        } catch (error) {
          // A reset voids the event, another one follows.
          if (this.#once && !event.signal.aborted) reject(error as Error)
          throw error
        }
      }
      registration.handle({ resync, change: (event) => mirror.change(event) })
    })
    done.catch(() => {}) // only with `once` anybody waits for it
    const status = new StatusLine(this.#session.notes, source)
    this.#session.onClose(async () => status.stop())
    status.follow(registration)
    return { begun, done }
  }

  /** @throws UsageError where the mirror would read what it writes */
  #assertApart(sourceUrl: string, targetUrl: string): void {
    const place = (url: string): string => placeOf(this.#session.locate(url).url)
    if (place(sourceUrl) !== place(targetUrl) || place(sourceUrl) === 'memory:') return
    const overlap = this.#prefixes.some((read) =>
      this.#prefixes.some((prefix) => {
        const written = this.#keys.toTarget(prefix)
        return hasPrefix(read, written) || hasPrefix(written, read)
      }),
    )
    if (overlap) throw new UsageError('source and target are the same keys of the same store')
  }

  async #differing(source: Agent, target: Agent, changed: readonly string[]): Promise<boolean> {
    for (const key of changed) {
      const [want, have] = await Promise.all([
        source.get(this.#keys.toSource(key)),
        target.get(key),
      ])
      if (want === undefined || have === undefined) {
        if (want !== have) return true
      } else if (!sameBytes(want.bytes, have.bytes)) return true
    }
    return false
  }
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

/** Resolves with the work, or after that time. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, late])
  clearTimeout(timer)
}
