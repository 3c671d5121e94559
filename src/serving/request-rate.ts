import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'

/** Counts requests per client in windows of a second. */
export class RequestRate {
  readonly #limiter: RateLimiterMemory | undefined

  /** 0 = no limit. */
  constructor(perSecond: number) {
    if (perSecond > 0) this.#limiter = new RateLimiterMemory({ points: perSecond, duration: 1 })
  }

  /** Undefined: go on. Else the ms after which the client may come again. */
  async take(client: string): Promise<number | undefined> {
    if (this.#limiter === undefined) return undefined
    try {
      await this.#limiter.consume(client)
      return undefined
    } catch (refusal) {
      if (!(refusal instanceof RateLimiterRes)) throw refusal
      return Math.max(1, refusal.msBeforeNext)
    }
  }
}
