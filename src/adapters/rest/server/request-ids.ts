/** So many are remembered; a browser sends again at once, or not at all. */
const REMEMBERED = 10_000
const MAX_LENGTH = 200

/** Names that clients gave to their writes, so that one that a browser sends twice is carried out once. */
export class RequestIds {
  readonly #seen = new Set<string>()

  /** False when the client has used it before. One that is too long is none. */
  take(caller: string, id: string): boolean {
    if (id.length > MAX_LENGTH) return true
    const name = nameOf(caller, id)
    if (this.#seen.has(name)) return false
    this.#seen.add(name)
    if (this.#seen.size > REMEMBERED) {
      // A set keeps the order of insertion.
      for (const oldest of this.#seen) {
        this.#seen.delete(oldest)
        break
      }
    }
    return true
  }

  /** Nothing came of it: it may be sent again. */
  forget(caller: string, id: string): void {
    this.#seen.delete(nameOf(caller, id))
  }
}

/** A header has no line end: no two callers share a name, however they are called. */
function nameOf(caller: string, id: string): string {
  return `${caller}\n${id}`
}
