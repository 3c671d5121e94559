import { RefusedError } from '../../../api/errors.ts'
import type { ReplaceTurn, Servable, Served } from '../../../api/served.ts'
import { Calls } from '../../../kit/call.ts'
import type { Call } from '../../../kit/call.ts'
import { assertServable } from '../../../serving/option-checks.ts'
import { WatcherSlots } from '../../../serving/watcher-slots.ts'
import type { WireInfo } from '../protocol.ts'
import type { Caller } from './guard.ts'
import { Guard } from './guard.ts'
import type { RouterSettings } from './options.ts'
import type { Query } from './query.ts'
import { Values } from './values.ts'
import { waitOf } from './write-options.ts'
import type { WriteWait } from './write-options.ts'

/** What the routes of one router share. */
export class Service {
  readonly settings: RouterSettings
  readonly served: Served
  readonly values: Values
  readonly guard: Guard
  readonly slots: WatcherSlots
  readonly #calls = new Calls()
  readonly #watches = new Set<Call>()

  /** @throws InvalidOptionError, InvalidKeyError */
  constructor(agent: Servable, settings: RouterSettings) {
    assertServable(agent)
    this.settings = settings
    this.served = agent.served(settings.served)
    this.values = new Values(settings.models)
    this.guard = new Guard(settings, this.served.prefixes)
    const { maxWatchers, maxWatchersPerClient } = settings.limits
    this.slots = new WatcherSlots({ all: maxWatchers, perClient: maxWatchersPerClient })
  }

  waitOf(query: Query): WriteWait {
    const { waitForApplied } = this.served.capabilities
    return waitOf(query, waitForApplied, this.settings.limits.maxWaitMs)
  }

  /** What the receivers of a replaced prefix said against it. */
  refused(turns: readonly ReplaceTurn[]): RefusedError {
    return new RefusedError(
      turns.map(({ registration, outcome, error }) => ({
        registration,
        cause: error ?? new Error(outcome),
      })),
    )
  }

  info({ client }: Caller): WireInfo {
    const { served, settings, values } = this
    const { maxBodyBytes, maxOps, maxKeys, maxPrefixes, maxWaitMs } = settings.limits
    return {
      name: 'rx-datasync',
      api: 'v1',
      transport: served.transport,
      state: served.status.state,
      ready: served.ready,
      capabilities: served.capabilities,
      readable: client.readable,
      writable: client.writable,
      models: values.prefixes.map((prefix) => ({ prefix, json: true })),
      limits: { maxBodyBytes, maxOps, maxKeys, maxPrefixes, maxWaitMs },
    }
  }

  /** A watch; it ends with the agent, or when the router is closed. */
  beginWatch(): Call {
    const call = this.#calls.begin(this.served.io.signal)
    this.#watches.add(call)
    return call
  }

  endWatch(call: Call): void {
    this.#watches.delete(call)
    this.#calls.release(call, this.served.io.signal)
  }

  close(reason: unknown): void {
    for (const call of this.#watches) call.abort(reason)
  }
}
