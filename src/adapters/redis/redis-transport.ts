import { setMaxListeners } from 'node:events'
import {
  ClosedError,
  isSyncError,
  TimeoutError,
  TransportUnavailableError,
  UnsupportedOptionError,
} from '../../api/errors.ts'
import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawPair,
  Transport,
} from '../../api/transport.ts'
import { Calls } from '../../kit/call.ts'
import type { Cancellation } from '../../kit/call.ts'
import { ClusterCommands } from './cluster-commands.ts'
import { commitKeys } from './commit.ts'
import type { KeyOp } from './commit.ts'
import type { Commands, WriteProgress } from './commands.ts'
import type { Ambient } from './connection.ts'
import { deletePrefix } from './delete-prefix.ts'
import { dialer } from './dial.ts'
import type { Dial } from './dial.ts'
import { translate } from './errors.ts'
import { listPairs, readPairs } from './list-pairs.ts'
import { NotificationHub } from './notification-hub.ts'
import { ensureNotifications } from './notification-setting.ts'
import type { RedisSettings } from './options.ts'
import { requirePrimary } from './server-identity.ts'
import { StandaloneCommands } from './standalone-commands.ts'
import { WatchStream } from './watch-stream.ts'

/** What was met and left out, since the transport was made. */
export interface SkippedKeys {
  /** Names that are no keys of ours (datasync.md §1): not UTF-8, or longer than 1 024 bytes. */
  readonly keys: number
  /** Listed keys that held no string when they were read, or were gone. */
  readonly values: number
}

/** A server, or a cluster, as the engine sees it. */
export interface RedisTransport extends Transport {
  readonly skipped: SkippedKeys
}

export class DefaultRedisTransport implements RedisTransport {
  readonly name: string
  readonly livenessMs: number
  readonly capabilities: Capabilities
  readonly skipped: { keys: number; values: number } = { keys: 0, values: 0 }
  readonly #settings: RedisSettings
  // A call has many parts, which listen to it; Node warns at the eleventh.
  readonly #calls: Calls = new Calls((signal) => setMaxListeners(0, signal))
  #working: Working | undefined
  #opening: Promise<void> | undefined
  #closing: Promise<void> | undefined

  constructor(settings: RedisSettings) {
    this.#settings = settings
    this.name = settings.name
    this.livenessMs = settings.livenessMs
    this.capabilities = {
      resumable: false,
      storeRevisions: false,
      ttl: true,
      conditionalPut: true,
      transactions: true,
      prefixDelete: false,
      waitForApplied: false,
      browser: false,
      ordered: false,
      maxValueBytes: settings.maxValueBytes,
    }
  }

  open(io: Io): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(new ClosedError(this.name))
    this.#opening ??= this.#check(io).catch((error: unknown) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncIterable<Batch> {
    const working = this.#work(io)
    // Nothing goes on behind a position here.
    if (from !== undefined) yield { kind: 'reset', reason: 'reconnected' }
    const hub = (working.hub ??= this.#newHub(working))
    const call = this.#calls.begin(io.signal)
    try {
      yield* new WatchStream({
        settings: this.#settings,
        prefixes,
        io: { ...io, signal: call.signal },
        hub,
        skipped: (what) => this.#skip(what),
      }).run()
    } finally {
      this.#calls.release(call, io.signal)
    }
  }

  async *list(prefix: string, io: Io): AsyncIterable<readonly RawPair[]> {
    const { commands } = this.#work(io)
    const call = this.#calls.begin(io.signal)
    try {
      yield* listPairs(prefix, commands, this.#settings, call, (what) => this.#skip(what))
    } catch (error) {
      throw this.#explain(error, io)
    } finally {
      this.#calls.release(call, io.signal)
    }
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    const { commands } = this.#work(io)
    const call = this.#calls.begin(io.signal)
    try {
      return await call.race(readPairs(keys, commands, call))
    } catch (error) {
      throw this.#explain(error, io)
    } finally {
      this.#calls.release(call, io.signal)
    }
  }

  async commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const { commands } = this.#work(io)
    if (options.waitFor === 'applied') {
      throw new UnsupportedOptionError(
        "waitFor: 'applied'",
        this.name,
        'other processes watch, too',
      )
    }
    const [first] = ops
    if (first === undefined) return { versions: [], deleted: 0 }
    const keyOps = ops.filter((op): op is KeyOp => op.type !== 'delete-prefix')
    if (keyOps.length < ops.length && ops.length > 1) {
      throw new UnsupportedOptionError('txn', this.name, 'a prefix is deleted key by key')
    }
    const progress: WriteProgress = { sent: false }
    return this.#within(options.timeoutMs, progress, io, (call) =>
      first.type === 'delete-prefix'
        ? deletePrefix(first.prefix, commands, this.#settings, call, progress)
        : commitKeys(keyOps, commands, this.#settings, call, progress),
    )
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    this.#working?.hub?.close()
    await this.#working?.commands.close()
  }

  /** Nothing that the caller no longer waits for is sent later. */
  async #within(
    timeoutMs: number,
    progress: WriteProgress,
    io: Io,
    write: (call: Cancellation) => Promise<CommitResult>,
  ): Promise<CommitResult> {
    const call = this.#calls.begin(io.signal)
    let late = false
    const timer = io.clock.after(timeoutMs, () => {
      late = true
      call.abort(undefined)
    })
    try {
      return await call.race(write(call))
    } catch (error) {
      const outcome = progress.sent ? 'unknown' : 'not-applied'
      if (late) throw new TimeoutError('the write', timeoutMs, { outcome })
      if (io.signal.aborted && progress.sent) {
        throw new TransportUnavailableError(this.name, 'the write was given up', {
          cause: error,
          outcome,
        })
      }
      throw this.#explain(error, io)
    } finally {
      timer.stop()
      this.#calls.release(call, io.signal)
    }
  }

  /** What waiting cannot mend is found out here; the rest shows in the streams. */
  async #check(io: Io): Promise<void> {
    const { commands } = this.#work(io)
    const call = this.#calls.begin(io.signal)
    try {
      const { connections } = await call.race(commands.primaries(call.signal))
      await Promise.all(
        [...connections.values()].map(async (connection) => {
          await requirePrimary(connection, this.#settings)
          if (this.#settings.notifications === 'keyspace') {
            await ensureNotifications(connection, this.#settings, io)
          } else await connection.call('CLIENT', 'TRACKINGINFO')
        }),
      )
    } catch (error) {
      const failure = this.#explain(error, io)
      if (failure instanceof TransportUnavailableError && failure.retryable) {
        io.logger.warn({ transport: this.name, err: failure }, 'not reachable yet')
        return
      }
      // A transport that did not open holds nothing.
      await this.#end()
      this.#working = undefined
      throw failure
    } finally {
      this.#calls.release(call, io.signal)
    }
  }

  #work(io: Io): Working {
    if (this.#closing !== undefined) throw new ClosedError(this.name)
    if (this.#working !== undefined) return this.#working
    const ambient: Ambient = { clock: io.clock, logger: io.logger, random: io.random }
    const dial = dialer(this.#settings, ambient)
    const cluster = this.#settings.cluster
      ? new ClusterCommands(this.#settings, dial, ambient)
      : undefined
    const commands = cluster ?? new StandaloneCommands(this.#settings, dial, ambient)
    this.#working = { ambient, dial, commands, cluster, hub: undefined }
    return this.#working
  }

  #newHub(working: Working): NotificationHub {
    const hub: NotificationHub = new NotificationHub({
      settings: this.#settings,
      io: working.ambient,
      dial: working.dial,
      discover: (signal) => (working.cluster as ClusterCommands).survey(signal),
      skipped: (what) => this.#skip(what),
      ended: () => {
        if (working.hub === hub) working.hub = undefined
      },
    })
    return hub
  }

  #skip(what: 'key' | 'value'): void {
    if (what === 'key') this.skipped.keys++
    else this.skipped.values++
  }

  #explain(error: unknown, io: Io): unknown {
    if (io.signal.aborted && !isSyncError(error)) return error
    return translate(this.name, error)
  }
}

/** What exists once the transport is used. */
interface Working {
  readonly ambient: Ambient
  readonly dial: Dial
  readonly commands: Commands
  readonly cluster: ClusterCommands | undefined
  hub: NotificationHub | undefined
}
