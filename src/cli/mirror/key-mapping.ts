import { hasPrefix } from '../../api/key.ts'
import { UsageError } from '../exit-codes.ts'

/** From the source's keys to the target's, and back. Keeps their order. */
export class KeyMapping {
  readonly #strip: string
  readonly #add: string

  /** @throws UsageError when a watched prefix does not begin with what is to be taken off */
  constructor(strip: string, add: string, prefixes: readonly string[]) {
    for (const prefix of prefixes) {
      if (hasPrefix(prefix, strip)) continue
      throw new UsageError(
        `--strip-prefix ${JSON.stringify(strip)} is not the beginning of ${JSON.stringify(prefix)}`,
      )
    }
    this.#strip = strip
    this.#add = add
  }

  /** Of a key or prefix. */
  toTarget(key: string): string {
    return this.#add + key.slice(this.#strip.length)
  }

  toSource(key: string): string {
    return this.#strip + key.slice(this.#add.length)
  }
}
