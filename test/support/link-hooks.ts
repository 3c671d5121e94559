/** Seen from the client: `up` = what it sends. */
export type Way = 'up' | 'down'

/**
 * When an action runs: `before` the match is passed on; when it was `sent` on, with nothing passed the other way
 * meanwhile; when the other side has `answered`, with the answer not yet passed on.
 */
export type Moment = 'before' | 'sent' | 'answered'

/** One connection through a link, in an action's hands. */
export interface LinkConnection {
  /** Counts from 1 in the order of connecting. */
  readonly number: number
  /** Destroys this connection on both sides. */
  drop(): void
}

/** The connection stands still until it returns or its promise settles. */
export type LinkAction = (connection: LinkConnection) => unknown

/** Bytes to look for: text as UTF-8, or an expression that sees each byte as one character (latin1). */
export type LinkPattern = string | Uint8Array | RegExp

export interface LinkHook {
  /** How many times it has matched. */
  readonly count: number
  /** Resolves when the action of the first match is done, with its connection. */
  readonly matched: Promise<LinkConnection>
  remove(): void
}

/** How much of the past is kept for a match across chunks. */
const TAIL = 1024

/** One pattern with its action; remembers per connection and direction what just passed. */
export class Hook implements LinkHook {
  readonly way: Way
  readonly moment: Moment
  readonly matched: Promise<LinkConnection>
  readonly #expression: RegExp
  readonly #action: LinkAction
  readonly #tails = new WeakMap<object, string>()
  #resolve: (connection: LinkConnection) => void = () => {}
  #left: number
  #count = 0

  constructor(way: Way, moment: Moment, pattern: LinkPattern, action: LinkAction, times: number) {
    this.way = way
    this.moment = moment
    this.#expression = toExpression(pattern)
    this.#action = action
    this.#left = times
    this.matched = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get count(): number {
    return this.#count
  }

  get active(): boolean {
    return this.#left > 0
  }

  remove(): void {
    this.#left = 0
  }

  /** Where in the chunk the first match that ends in it begins (0 when before it) and ends. */
  find(pipe: object, chunk: Buffer): { start: number; end: number } | undefined {
    const tail = this.#tails.get(pipe) ?? ''
    const text = tail + chunk.toString('latin1')
    this.#expression.lastIndex = 0
    for (;;) {
      const match = this.#expression.exec(text)
      if (match === null) return undefined
      const end = match.index + match[0].length
      if (end > tail.length) {
        return { start: Math.max(0, match.index - tail.length), end: end - tail.length }
      }
      this.#expression.lastIndex = match.index + 1
    }
  }

  /** Takes note of what was passed on; nothing of it can begin a match after `forget`. */
  passed(pipe: object, chunk: Buffer): void {
    const text =
      (this.#tails.get(pipe) ?? '') + chunk.toString('latin1', Math.max(0, chunk.length - TAIL))
    this.#tails.set(pipe, text.slice(-TAIL))
  }

  forget(pipe: object): void {
    this.#tails.delete(pipe)
  }

  /** Counts a match. */
  take(): void {
    this.#left--
    this.#count++
  }

  async run(connection: LinkConnection): Promise<void> {
    try {
      await this.#action(connection)
    } finally {
      this.#resolve(connection)
    }
  }
}

function toExpression(pattern: LinkPattern): RegExp {
  if (pattern instanceof RegExp) {
    return new RegExp(pattern.source, [...new Set(`${pattern.flags.replace('y', '')}g`)].join(''))
  }
  const text = Buffer.from(pattern as Uint8Array).toString('latin1')
  return new RegExp(text.replace(/[$()*+.?[\\\]^{|}]/gu, '\\$&'), 'g')
}
