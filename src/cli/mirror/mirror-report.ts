import type { ResyncReason } from '../../api/resync-event.ts'
import { printable } from '../../kit/printable.ts'
import type { Session } from '../session.ts'
import type { Write } from './differences.ts'
import type { Mirror, MirrorCounts } from './mirror.ts'

/** How often the progress is looked at. */
const LOOK_MS = 250
/** How often changes are told where there is no terminal. */
const TELL_MS = 1_000

/** Tells what a mirror does: a line per comparison, progress, and the counts at the end. */
export class MirrorReport {
  readonly #session: Session
  #mirror: Mirror | undefined
  #timer: NodeJS.Timeout | undefined
  #told = { put: 0, deleted: 0, at: 0 }

  constructor(session: Session) {
    this.#session = session
  }

  follow(mirror: Mirror): void {
    this.#mirror = mirror
    this.#timer = setInterval(() => this.#look(mirror), LOOK_MS)
    this.#timer.unref()
  }

  wouldWrite({ key, value }: Write): void {
    const { output } = this.#session
    const event = value === undefined ? 'would-delete' : 'would-put'
    if (output.json) output.record({ event, key, ...(value && { bytes: value.length }) })
    else
      output.line(
        `would ${value === undefined ? output.colors.red('delete') : output.colors.green('put   ')} ${printable(key)}`,
      )
  }

  /** What a dry run has found. */
  wouldTake(counts: MirrorCounts): void {
    const { output } = this.#session
    if (output.json) output.record({ event: 'dry-run', ...counts })
    else output.line(`it would take ${sentence(counts)}; ${equals(counts)}`)
  }

  /** The target is equal to the source. */
  resynced(reason: ResyncReason, counts: MirrorCounts, ms: number): void {
    const { output, notes } = this.#session
    notes.clear()
    this.#remember()
    if (output.json) output.record({ event: 'resynced', reason, ...counts, ms })
    else {
      const { bold } = output.colors
      output.line(
        `${bold('in step')} (${reason}): ${sentence(counts)}; ${equals(counts)}; ${ms} ms`,
      )
    }
  }

  end(): void {
    clearInterval(this.#timer)
    const { output, notes } = this.#session
    notes.clear()
    if (this.#mirror === undefined) return
    const { put, deleted } = this.#mirror.total
    if (output.json) output.record({ event: 'end', put, deleted })
    else output.line(`altogether: ${sentence({ put, deleted })}`)
  }

  #look(mirror: Mirror): void {
    const { output, notes } = this.#session
    const { put, deleted } = mirror.total
    if (mirror.comparing) {
      notes.progress(`comparing… so far ${sentence({ put, deleted })}`)
      return
    }
    const { put: putBefore, deleted: deletedBefore, at } = this.#told
    if (put === putBefore && deleted === deletedBefore) return
    if (notes.showsProgress) notes.progress(`in step: ${sentence({ put, deleted })}`)
    if (!output.json || Date.now() - at < TELL_MS) return
    output.record({ event: 'changes', put: put - putBefore, deleted: deleted - deletedBefore })
    this.#remember()
  }

  #remember(): void {
    const { put = 0, deleted = 0 } = this.#mirror?.total ?? {}
    this.#told = { put, deleted, at: Date.now() }
  }
}

function sentence({ put, deleted }: { put: number; deleted: number }): string {
  return `${put.toLocaleString('en')} put, ${deleted.toLocaleString('en')} deleted`
}

function equals({ unchanged }: MirrorCounts): string {
  return `${unchanged.toLocaleString('en')} were equal`
}
