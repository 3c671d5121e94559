import { TransportUnavailableError } from '../../api/errors.ts'
import { backoffMs } from '../../kit/backoff.ts'
import { readClusterView } from './cluster-view.ts'
import type { Ambient } from './connection.ts'
import type { NodeSession } from './node-session.ts'
import type { RedisSettings } from './options.ts'
import { pause } from '../../kit/pause.ts'
import { SlotMap } from './slot-map.ts'

/** Between looks at a cluster whose nodes do not agree yet. */
const UNSETTLED_BACKOFF = { baseMs: 50, capMs: 2_000 } as const
/** So many looks take about half a minute. */
const MAX_LOOKS = 25

export interface SlotAgreementOptions {
  readonly settings: RedisSettings
  readonly io: Ambient
  /** By node id: the primaries that are subscribed to. */
  readonly sessions: ReadonlyMap<string, NodeSession>
  /** Aborts when nobody wants to know any more. */
  readonly signal: AbortSignal
  /** Slots have other owners than before, or are on their way. */
  readonly moved: () => void
}

/** What the primaries of a cluster say about who owns which slot. */
export class SlotAgreement {
  readonly #options: SlotAgreementOptions
  #slots: SlotMap | undefined
  #looking: Promise<void> = Promise.resolve()

  constructor(options: SlotAgreementOptions) {
    this.#options = options
  }

  /** As of the last look; undefined before the first. */
  get slots(): SlotMap | undefined {
    return this.#slots
  }

  /**
   * Looks until the nodes agree. All that was announced before the call has been heard by then.
   * @throws TransportUnavailableError when the cluster has other primaries, or does not agree in half a minute
   */
  refresh(): Promise<void> {
    const turn = this.#looking.then(() => this.#agree())
    this.#looking = turn.catch(() => {})
    return turn
  }

  async #agree(): Promise<void> {
    const { settings, io, signal } = this.#options
    for (let attempt = 0; attempt < MAX_LOOKS; attempt++) {
      const slots = await this.#look()
      this.#adopt(slots)
      if (slots.settled) return
      await pause(backoffMs(attempt, io.random, UNSETTLED_BACKOFF), io.clock, signal)
    }
    throw new TransportUnavailableError(settings.name, 'the cluster does not agree about its slots')
  }

  async #look(): Promise<SlotMap> {
    const { settings, sessions } = this.#options
    const views = await Promise.all(
      [...sessions.values()].map(async (session) => {
        const [view] = await Promise.all([
          readClusterView(session.reader, settings),
          session.hearOut(),
        ])
        return view
      }),
    )
    return SlotMap.agreed(views)
  }

  #adopt(slots: SlotMap): void {
    const { settings, sessions, moved } = this.#options
    const primaries = [...slots.primaries.keys()]
    if (primaries.length !== sessions.size || !primaries.every((id) => sessions.has(id))) {
      // What a primary announced that was not subscribed to is lost.
      throw new TransportUnavailableError(settings.name, 'the cluster has other primaries')
    }
    const before = this.#slots
    this.#slots = slots
    if (before !== undefined && slots.digest !== before.digest) moved()
  }
}
