import pc from 'picocolors'
import type { Colors, TerminalStream } from './output.ts'

const CLEAR_LINE = '\r\u001b[K'

/** What goes to stderr: status, progress and errors, for people. Secrets are masked. */
export class Notes {
  readonly colors: Colors
  readonly #stream: TerminalStream
  readonly #mask: (text: string) => string
  #progress = false

  constructor(stream: TerminalStream, color: boolean, mask: (text: string) => string) {
    this.#stream = stream
    this.#mask = mask
    this.colors = pc.createColors(color)
  }

  line(text: string): void {
    this.clear()
    this.#stream.write(`${this.#mask(text)}\n`)
  }

  /** True where progress can be shown: a line that is written over. */
  get showsProgress(): boolean {
    return this.#stream.isTTY === true
  }

  /** Shown on a terminal only, until the next line. */
  progress(text: string): void {
    if (!this.showsProgress) return
    this.#progress = true
    this.#stream.write(`${CLEAR_LINE}${this.#mask(text)}`)
  }

  /** Takes the progress away. */
  clear(): void {
    if (!this.#progress) return
    this.#progress = false
    this.#stream.write(CLEAR_LINE)
  }
}
