import { filter, firstValueFrom, fromEvent, of, takeUntil } from 'rxjs'
import type { Agent } from '../../agent/agent.ts'
import type { ChangeEvent } from '../../api/change-event.ts'
import { describeError, isSyncError } from '../../api/errors.ts'
import type { WatchRegistration } from '../../api/watcher.ts'
import type { Session } from '../session.ts'
import { StatusLine } from '../status-line.ts'

/** Where a mirror writes. */
export interface MirrorTarget {
  readonly agent: Agent
  /** It tells of its changes. */
  readonly watched: boolean
  /** Resolves when it can be written, as far as is known, or with the signal. */
  readonly ready: (signal: AbortSignal) => Promise<unknown>
}

/** What a watched target tells. */
export interface TargetSink {
  readonly changed: (event: ChangeEvent) => void
  /** Continuity was lost: anything may have changed. */
  readonly lost: () => void
}

/** A target that is only written, or with `write: false` only read. */
export async function openTarget(
  session: Session,
  url: string,
  write: boolean,
): Promise<MirrorTarget> {
  const agent = await session.agent(url, { write, create: write, preview: !write }, 'target')
  return { agent, watched: false, ready: () => Promise.resolve() }
}

/** Opens and watches a target; where watching is not allowed, says so and goes on without. */
export async function openWatchedTarget(
  session: Session,
  url: string,
  prefixes: readonly string[],
  sink: TargetSink,
): Promise<MirrorTarget> {
  const agent = await session.agent(url, { watch: true, write: true, create: true }, 'target')
  const registration = agent.watch('mirror', prefixes, { delivery: 'latest' })
  registration.handle({
    resync: ({ reason }) => {
      if (reason !== 'startup') sink.lost()
    },
    change: sink.changed,
  })
  const status = new StatusLine(session.notes, agent)
  status.follow(registration)
  session.onClose(async () => status.stop())
  try {
    await session.during('waiting for the target', agent.start())
    return { agent, watched: true, ready: (signal) => live(registration, signal) }
  } catch (error) {
    if (!isSyncError(error, 'SYNC_NOTIFICATIONS_DISABLED')) throw error
    status.stop()
    session.notes.line(`target: not watched: ${describeError(error)}`)
    return openTarget(session, url, true)
  }
}

/** A target that is known to be away is waited for: attempts in vain would only lengthen the pauses. */
function live(registration: WatchRegistration, signal: AbortSignal): Promise<unknown> {
  const again = registration.status$.pipe(
    filter(({ state }) => state === 'live'),
    takeUntil(signal.aborted ? of(true) : fromEvent(signal, 'abort')),
  )
  return firstValueFrom(again, { defaultValue: undefined })
}
