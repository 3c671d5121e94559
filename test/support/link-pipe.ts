import type { Socket } from 'node:net'
import type { Hook, Way } from './link-hooks.ts'

/** What holds for all connections of a link in one direction. */
export interface Flow {
  readonly way: Way
  held: boolean
  delayMs: number
  trickle: { readonly bytes: number; readonly tickMs: number } | undefined
}

/** What a pipe asks of its connection. */
export interface PipeOwner {
  readonly hooks: Iterable<Hook>
  /** Runs a hook's action, after `first` where given; both directions stand still from now until it is done. */
  run(hook: Hook, first?: Promise<void>): Promise<void>
  /** Runs a hook's action when the next bytes come the other way. */
  runAtAnswer(hook: Hook, way: Way): void
}

type Item =
  | { readonly kind: 'data'; readonly bytes: Buffer; readonly due: number; readonly exempt?: Hook }
  | { readonly kind: 'end' | 'reset'; readonly due: number }

/** So much is read ahead of what can be passed on; then the sender feels it, as with a full TCP window. */
const READ_AHEAD_BYTES = 8 * 2 ** 20

/** One direction of one connection. */
export class Pipe {
  readonly #from: Socket
  readonly #to: Socket
  readonly #flow: Flow
  readonly #owner: PipeOwner
  readonly #queue: Item[] = []
  readonly #answering: Hook[] = []
  #queuedBytes = 0
  #blocks = 0
  #full = false
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, flow: Flow, owner: PipeOwner) {
    this.#from = from
    this.#to = to
    this.#flow = flow
    this.#owner = owner
    from.on('data', (bytes: Buffer) => {
      if (to.destroyed) return
      this.#queuedBytes += bytes.length
      if (this.#queuedBytes > READ_AHEAD_BYTES) from.pause()
      this.#push({ kind: 'data', bytes, due: this.#due() })
    })
    from.once('end', () => this.#push({ kind: 'end', due: this.#due() }))
    from.once('close', (hadError) => {
      if (hadError) this.#push({ kind: 'reset', due: this.#due() })
    })
    to.on('drain', () => {
      this.#full = false
      this.pump()
    })
    to.once('close', () => {
      clearTimeout(this.#timer)
      this.#queue.length = 0
      this.#queuedBytes = 0
      // Nobody wants the rest; it is read so that the end is seen.
      from.resume()
    })
  }

  block(): void {
    this.#blocks++
  }

  unblock(): void {
    this.#blocks--
    this.pump()
  }

  /** The next bytes wait for this hook's action. */
  expectAnswer(hook: Hook): void {
    this.#answering.push(hook)
  }

  /** Passes on what may go; called again whenever something changes. */
  pump(): void {
    while (!this.#flow.held && this.#blocks === 0 && !this.#full && !this.#to.destroyed) {
      const item = this.#queue[0]
      if (item === undefined || this.#timer !== undefined) return
      const wait = item.due - performance.now()
      if (wait > 0) {
        this.#pumpAfter(wait)
        return
      }
      if (item.kind === 'data') this.#pass(item)
      else {
        this.#queue.shift()
        if (item.kind === 'end') this.#to.end()
        // A reset while the end is still on its way is refused by libuv: Node then keeps a socket that nobody can close,
        // and its process never exits.
        else if (this.#to.writableEnded) this.#to.destroy()
        else this.#to.resetAndDestroy()
      }
    }
  }

  #pass(item: Item & { kind: 'data' }): void {
    const answered = this.#answering.shift()
    if (answered !== undefined) {
      void this.#owner.run(answered)
      return
    }
    const { trickle } = this.#flow
    const bytes = trickle === undefined ? item.bytes : item.bytes.subarray(0, trickle.bytes)
    const hooks = [...this.#owner.hooks].filter(
      (hook) => hook.way === this.#flow.way && hook.active,
    )
    const early = this.#earliest(hooks, bytes, item.exempt)
    if (early === undefined) {
      this.#take(item, bytes.length)
      void this.#write(bytes, hooks, item.exempt)
      if (trickle !== undefined) this.#pumpAfter(trickle.tickMs)
      return
    }
    const { hook, start, end } = early
    this.#take(item, end)
    this.#return({ kind: 'data', bytes: bytes.subarray(start, end), due: item.due, exempt: hook })
    const gone = start > 0 ? this.#write(bytes.subarray(0, start), hooks, item.exempt) : undefined
    hook.forget(this)
    hook.take()
    void this.#owner.run(hook, gone)
  }

  #earliest(hooks: readonly Hook[], bytes: Buffer, exempt: Hook | undefined) {
    let found: { hook: Hook; start: number; end: number } | undefined
    for (const hook of hooks) {
      if (hook.moment !== 'before' || hook === exempt) continue
      const match = hook.find(this, bytes)
      if (match !== undefined && match.start < (found?.start ?? Infinity))
        found = { hook, ...match }
    }
    return found
  }

  /** Passes bytes on; resolves when they have left. */
  #write(bytes: Buffer, hooks: readonly Hook[], exempt: Hook | undefined): Promise<void> {
    const sent: Hook[] = []
    for (const hook of hooks) {
      if (hook === exempt) continue
      const match = hook.moment === 'before' ? undefined : hook.find(this, bytes)
      hook.passed(this, bytes)
      if (match === undefined) continue
      hook.take()
      hook.forget(this)
      if (hook.moment === 'answered') this.#owner.runAtAnswer(hook, this.#flow.way)
      else sent.push(hook)
    }
    // `run` makes both directions stand still at once; the actions begin when the bytes have left.
    let left: () => void = () => {}
    const gone = new Promise<void>((resolve) => {
      left = resolve
    })
    for (const hook of sent) void this.#owner.run(hook, gone)
    this.#full = !this.#to.write(bytes, () => left())
    return gone
  }

  /** Removes the first `length` bytes of the item, which is the head of the queue. */
  #take(item: Item & { kind: 'data' }, length: number): void {
    this.#queuedBytes -= length
    if (length === item.bytes.length) this.#queue.shift()
    else this.#queue[0] = { ...item, bytes: item.bytes.subarray(length) }
    if (this.#queuedBytes <= READ_AHEAD_BYTES) this.#from.resume()
  }

  #return(item: Item & { kind: 'data' }): void {
    this.#queuedBytes += item.bytes.length
    this.#queue.unshift(item)
  }

  #push(item: Item): void {
    this.#queue.push(item)
    this.pump()
  }

  #due(): number {
    return this.#flow.delayMs === 0 ? 0 : performance.now() + this.#flow.delayMs
  }

  #pumpAfter(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.pump()
    }, ms)
  }
}
