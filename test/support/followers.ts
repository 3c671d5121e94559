import type { Transport } from '../../src/index.ts'
import { Follower } from './follower.ts'

/** The followers of one test. */
export class Followers {
  readonly #followers: Follower[] = []

  /** Resolves when its agent has started. */
  async follow(transport: Transport): Promise<Follower> {
    const follower = new Follower(transport)
    this.#followers.push(follower)
    await follower.agent.start()
    return follower
  }

  /** Those so far. */
  async close(): Promise<void> {
    await Promise.all(this.#followers.splice(0).map((follower) => follower.agent.close()))
  }
}
