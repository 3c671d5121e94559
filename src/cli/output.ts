import type { Writable } from 'node:stream'
import pc from 'picocolors'

export type Colors = ReturnType<typeof pc.createColors>

/** A stream that may be a terminal; `process.stdout` is one. */
export interface TerminalStream extends Writable {
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Text that is gathered before it is written. */
const CHUNK = 64 * 1024

/**
 * What goes to stdout: lines for people, or one JSON object per line. Lines are gathered for the rest of the turn.
 * Once the reader has gone (`| head`) everything is dropped.
 */
export class Output {
  /** One JSON object per line instead of text. */
  readonly json: boolean
  readonly colors: Colors
  readonly #stream: TerminalStream
  readonly #clip: boolean
  #waiting = ''
  #flushing = false
  #gone = false

  constructor(
    stream: TerminalStream,
    options: { readonly json: boolean; readonly color: boolean; readonly clip: boolean },
  ) {
    this.#stream = stream
    this.#clip = options.clip
    this.json = options.json
    this.colors = pc.createColors(options.color)
  }

  /** How many columns a line may have; undefined: any. */
  get columns(): number | undefined {
    // A terminal that does not know its width says 0.
    return this.#clip && this.#stream.isTTY === true ? this.#stream.columns || undefined : undefined
  }

  /** Drops what comes from now on: nobody reads it. */
  abandon(): void {
    this.#gone = true
    this.#waiting = ''
  }

  /** False when it is better to wait for {@link drained} before more is written. */
  line(text: string): boolean {
    return this.#add(`${text}\n`)
  }

  /** A line of JSON; fields that are undefined are left out. See {@link line}. */
  record(fields: object): boolean {
    return this.#add(`${JSON.stringify(fields)}\n`)
  }

  /** Bytes as they are. */
  async bytes(bytes: Uint8Array): Promise<void> {
    this.flush()
    if (!this.#gone) this.#stream.write(bytes)
    await this.drained()
  }

  /** Resolves when the reader has caught up, or has gone. */
  async drained(): Promise<void> {
    this.flush()
    if (this.#gone || !this.#stream.writableNeedDrain) return
    await new Promise<void>((resolve) => {
      const done = (): void => {
        for (const event of ['drain', 'close', 'error']) this.#stream.off(event, done)
        resolve()
      }
      for (const event of ['drain', 'close', 'error']) this.#stream.on(event, done)
    })
  }

  /** Hands over what is gathered. */
  flush(): void {
    this.#flushing = false
    const text = this.#waiting
    if (text === '' || this.#gone) return
    this.#waiting = ''
    this.#stream.write(text)
  }

  #add(text: string): boolean {
    if (this.#gone) return true
    this.#waiting += text
    if (this.#waiting.length >= CHUNK) this.flush()
    else if (!this.#flushing) {
      this.#flushing = true
      setImmediate(() => this.flush())
    }
    return !this.#stream.writableNeedDrain
  }
}
