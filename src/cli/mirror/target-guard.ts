import type { ChangeEvent } from '../../api/change-event.ts'
import { sameBytes } from './differences.ts'
import type { Write } from './differences.ts'

/** Keys of the target that are looked at one by one; with more, everything is compared. */
const MANY = 500
/** How long doubtful changes are gathered. */
const GATHER_MS = 500
/** Own writes of which the target has not told, before they are forgotten. */
const MOST_WRITTEN = 100_000

export interface GuardOptions {
  /** True while the mirror writes: what is in doubt is looked at afterwards. */
  readonly busy: () => boolean
  /** The keys of the target whose values are not the source's. */
  readonly differing: (keys: readonly string[]) => Promise<boolean>
  /** Has everything compared. */
  readonly compare: () => void
}

/**
 * Notices changes of the target that are not the mirror's own. It only asks for a comparison, so a mistake here costs
 * time, never data.
 */
export class TargetGuard {
  readonly #options: GuardOptions
  /** What was written last to a key, until the target tells of it; undefined: deleted. */
  readonly #written = new Map<string, Uint8Array | undefined>()
  #doubtful = new Set<string>()
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: GuardOptions) {
    this.#options = options
  }

  /** To be told before the write. */
  writing({ key, value }: Write): void {
    if (this.#written.size >= MOST_WRITTEN) this.#written.clear()
    this.#written.set(key, value)
  }

  /** A change of the target. */
  changed(event: ChangeEvent): void {
    const { key } = event
    if (this.#written.has(key)) {
      const written = this.#written.get(key)
      const own =
        event.changeType === 'delete'
          ? written === undefined
          : written !== undefined && sameBytes(written, event.bytes)
      if (own) {
        this.#written.delete(key)
        return
      }
    }
    this.#doubtful.add(key)
    this.#lookLater()
  }

  /** Anything may have changed. */
  lost(): void {
    if (!this.#stopped) this.#options.compare()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #lookLater(): void {
    if (this.#timer !== undefined || this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      void this.#look()
    }, GATHER_MS)
  }

  async #look(): Promise<void> {
    if (this.#options.busy()) {
      this.#lookLater()
      return
    }
    const keys = [...this.#doubtful]
    this.#doubtful = new Set()
    if (keys.length <= MANY && !(await this.#differ(keys))) return
    this.lost()
  }

  async #differ(keys: readonly string[]): Promise<boolean> {
    try {
      return await this.#options.differing(keys)
    } catch {
      // Neither side can be trusted while one does not answer: the comparison waits for it.
      return true
    }
  }
}
