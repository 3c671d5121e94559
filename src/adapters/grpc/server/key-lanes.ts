import { Fifo } from '../../../kit/fifo.ts'

type Task = (left: () => void) => void

/** Runs tasks of one key one after the other, those of different keys at once. */
export class KeyLanes {
  /** Of keys with a task under way: what waits behind it. */
  readonly #waiting = new Map<string, Fifo<Task> | undefined>()

  /** The task has to call `left` once. */
  run(key: string, task: Task): void {
    if (!this.#waiting.has(key)) {
      this.#waiting.set(key, undefined)
      this.#start(key, task)
      return
    }
    let queue = this.#waiting.get(key)
    if (queue === undefined) {
      queue = new Fifo()
      this.#waiting.set(key, queue)
    }
    queue.push(task)
  }

  #start(key: string, task: Task): void {
    task(() => {
      const next = this.#waiting.get(key)?.shift()
      if (next === undefined) this.#waiting.delete(key)
      else this.#start(key, next)
    })
  }
}
