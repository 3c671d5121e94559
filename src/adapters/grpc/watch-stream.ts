import { TransportUnavailableError } from '../../api/errors.ts'
import type { Batch, Io, Position, RawChange } from '../../api/transport.ts'
import type { Dialer } from '../../grpc-link/dialer.ts'
import { LifeSign } from '../../grpc-link/life-sign.ts'
import type { Connection } from './connection.ts'
import { translate } from './errors.ts'
import type { GrpcSettings } from './options.ts'
import { WATCH_PATH, watchEvent, watchRequest } from './watch-schema.ts'
import type { WatchEvent } from './watch-schema.ts'
import { changeOf, listedPair } from './wire-pair.ts'

/** Signs of life that are asked for per liveness bound. */
const BEATS = 4

export interface WatchStreamOptions {
  readonly settings: GrpcSettings
  readonly prefixes: readonly string[]
  readonly io: Io
  readonly dialer: Dialer<Connection>
  /** Told of each connection, which says what the server can do. */
  readonly onConnection: (connection: Connection) => void
}

/** One watch on a connection of its own; it ends by throwing, or with the signal. */
export async function* watchStream(
  options: WatchStreamOptions,
  from: Position | undefined,
): AsyncGenerator<Batch, void, undefined> {
  const { io, dialer, settings, onConnection } = options
  let connection: Connection | undefined
  const onAbort = (): void => connection?.destroy()
  io.signal.addEventListener('abort', onAbort, { once: true })
  try {
    connection = await dialer.dial(io.signal)
    if (io.signal.aborted) return
    onConnection(connection)
    yield* follow(options, from, connection)
  } catch (error) {
    if (!io.signal.aborted) throw connection?.lost ?? translate(settings.name, error)
  } finally {
    io.signal.removeEventListener('abort', onAbort)
    connection?.destroy()
  }
}

async function* follow(
  { settings, prefixes, io }: WatchStreamOptions,
  from: Position | undefined,
  connection: Connection,
): AsyncGenerator<Batch> {
  const { livenessMs, name } = settings
  const feed = connection.feed(WATCH_PATH, watchRequest, watchEvent, {
    prefixes,
    position: from ?? '',
    heartbeatMs: Math.max(1, Math.floor(livenessMs / BEATS)),
  })
  const forget = connection.onLost((lost) => feed.fail(lost))
  let alive = false
  const life = new LifeSign(connection, io.clock, livenessMs, (bytes) => {
    if (!bytes || !feed.awaited) return
    alive = true
    feed.wake()
  })
  // The first word on a position is that it holds: life alone must not be taken for it.
  let answered = from === undefined
  let changes: RawChange[] = []
  try {
    for (;;) {
      const event = feed.poll()
      if (event === undefined) {
        if (alive) {
          alive = false
          if (answered) yield { kind: 'progress' }
        } else await feed.wait()
        continue
      }
      if (event.changes?.more === true) {
        for (const change of event.changes.changes) changes.push(changeOf(change))
        continue
      }
      const batch = batchOf(event, changes)
      changes = []
      if (batch === undefined) {
        if (answered && event.heartbeat) yield { kind: 'progress' }
        continue
      }
      answered = true
      yield batch
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== 0) throw error
    throw new TransportUnavailableError(name, 'the server has ended the watch', { cause: error })
  } finally {
    life.stop()
    forget()
    feed.cancel()
  }
}

/** `before`: the beginning of the same batch of changes. Undefined for what says nothing of the stream. */
function batchOf(event: WatchEvent, before: RawChange[]): Batch | undefined {
  if (event.changes) {
    const { changes, position } = event.changes
    const all = changes.map(changeOf)
    return {
      kind: 'changes',
      changes: before.length === 0 ? all : before.concat(all),
      ...positionOf(position),
    }
  }
  if (event.pairs) return { kind: 'pairs', pairs: event.pairs.pairs.map(listedPair) }
  if (event.listed) return { kind: 'listed', ...positionOf(event.listed.position) }
  if (event.progress) return { kind: 'progress', ...positionOf(event.progress.position) }
  if (event.reset) {
    const reason = event.reset.reason === 'compacted' ? 'compacted' : 'reconnected'
    return { kind: 'reset', reason }
  }
  return undefined
}

function positionOf(position: string): { position?: Position } {
  return position === '' ? {} : { position }
}
