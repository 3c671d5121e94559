import type { SyncError } from '../api/errors.ts'
import type { Dialled } from './dialer.ts'
import type { GrpcLink } from './link.ts'

/** A connection that is one link with a login of its service's own. */
export abstract class Linked implements Dialled {
  protected readonly link: GrpcLink

  constructor(link: GrpcLink) {
    this.link = link
  }

  /** Why it ended; undefined while it is open. */
  get lost(): SyncError | undefined {
    return this.link.lost
  }

  /** All bytes received so far: growth proves life, also in the middle of a long answer. */
  get bytesRead(): number {
    return this.link.bytesRead
  }

  /** Resolves when it can be used. */
  abstract open(): Promise<void>

  /** Called once, when the connection ends; at once if it has. Returns how to take it back. */
  onLost(listener: (error: SyncError) => void): () => void {
    return this.link.onLost(listener)
  }

  /** Ends it once the calls under way are answered. */
  retire(): void {
    this.link.retire()
  }

  /** Ends it at once: a held link would not take a farewell. */
  destroy(reason?: SyncError): void {
    this.link.destroy(reason)
  }
}
