import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** So many calls of each client in so much time. */
export class CallLimiter {
  readonly #limiter: RateLimiterMemory

  constructor(calls: number, perMs: number) {
    this.#limiter = new RateLimiterMemory({ points: calls, duration: perMs / 1_000 })
  }

  /** Takes note of a call; 0 = it may go on, else in how many ms there is room again. */
  async take(client: string): Promise<number> {
    try {
      await this.#limiter.consume(client)
      return 0
    } catch (result) {
      if (result instanceof RateLimiterRes) return Math.max(1, result.msBeforeNext)
      throw result
    }
  }
}
