import type { Clock, Timer } from '../../api/clock.ts'

/** What waits for its partition. */
export interface LaneItem {
  /** Of key and value, roughly. */
  readonly bytes: number
  /** Nobody waits for it any more: it is passed over. */
  readonly cancelled: boolean
}

export interface LanesOptions<T extends LaneItem> {
  /** Together in one request, at most; one alone may be larger. */
  readonly batchBytes: number
  readonly batchItems: number
  /** How long the first of a batch waits for others, in ms; 0 = for those of the same turn only. */
  readonly lingerMs: number
  readonly clock: Clock
  /** Sends what belongs together and settles every item; must not throw. */
  readonly send: (partition: number, items: readonly T[]) => Promise<void>
}

interface Lane<T> {
  readonly partition: number
  waiting: T[]
  bytes: number
  busy: boolean
  timer: Timer | undefined
}

/** One row per partition: one request under way, what comes meanwhile goes together in the next. */
export class Lanes<T extends LaneItem> {
  readonly #options: LanesOptions<T>
  readonly #lanes = new Map<number, Lane<T>>()

  constructor(options: LanesOptions<T>) {
    this.#options = options
  }

  push(partition: number, item: T): void {
    const lane = this.#lane(partition)
    lane.waiting.push(item)
    lane.bytes += item.bytes
    if (lane.busy) return
    const { lingerMs, batchBytes, batchItems, clock } = this.#options
    const isFull = lane.bytes >= batchBytes || lane.waiting.length >= batchItems
    if (lingerMs === 0 || isFull) void this.#run(lane)
    else {
      lane.timer ??= clock.after(lingerMs, () => void this.#run(lane), { keepAlive: true })
    }
  }

  /** Nothing waits any longer for others. */
  flush(): void {
    for (const lane of this.#lanes.values()) if (!lane.busy) void this.#run(lane)
  }

  #lane(partition: number): Lane<T> {
    let lane = this.#lanes.get(partition)
    if (lane === undefined) {
      lane = { partition, waiting: [], bytes: 0, busy: false, timer: undefined }
      this.#lanes.set(partition, lane)
    }
    return lane
  }

  async #run(lane: Lane<T>): Promise<void> {
    lane.timer?.stop()
    lane.timer = undefined
    lane.busy = true
    // What is put in the same turn goes together.
    await Promise.resolve()
    while (lane.waiting.length > 0) {
      const items = this.#take(lane)
      if (items.length > 0) await this.#options.send(lane.partition, items)
    }
    lane.busy = false
  }

  #take(lane: Lane<T>): T[] {
    const { batchBytes, batchItems } = this.#options
    const items: T[] = []
    let bytes = 0
    let taken = 0
    for (const item of lane.waiting) {
      const isFull = bytes + item.bytes > batchBytes || items.length === batchItems
      if (items.length > 0 && isFull) break
      taken++
      lane.bytes -= item.bytes
      if (item.cancelled) continue
      items.push(item)
      bytes += item.bytes
    }
    lane.waiting = taken === lane.waiting.length ? [] : lane.waiting.slice(taken)
    return items
  }
}
