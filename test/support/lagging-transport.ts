import { memory } from '../../src/index.ts'
import type { Batch, Io, Position, Transport } from '../../src/index.ts'
import { SwitchableTransport } from './switchable-transport.ts'

/** A store whose watches can be held: writes and reads are answered at once, changes are shown later. */
export class LaggingTransport extends SwitchableTransport {
  #held: Promise<void> | undefined
  #release: () => void = () => {}
  #resetting = false

  constructor(name: string, inner: Transport = memory({ name })) {
    super(inner, { name, forgetful: true })
  }

  hold(): void {
    this.#held ??= new Promise((resolve) => {
      this.#release = resolve
    })
  }

  release(): void {
    this.#held = undefined
    this.#release()
  }

  /** The next change is lost: continuity is, in a link that stays. `release` lets it list again. */
  loseContinuity(): void {
    this.#resetting = true
    this.hold()
  }

  override async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncGenerator<Batch> {
    for (;;) {
      this.#resetting = false
      for await (const batch of super.stream(prefixes, from, io)) {
        if (batch.kind === 'changes') {
          if (this.#resetting) break
          await this.#held
        }
        yield batch
      }
      if (!this.#resetting) return
      yield { kind: 'reset', reason: 'compacted' }
      await this.#held
    }
  }
}
