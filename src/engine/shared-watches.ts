import type { TransportStatus } from '../api/status.ts'
import type { BatchStream, Io, Position, RawPair, Transport } from '../api/transport.ts'
import { AwaitedStream } from '../kit/awaited-stream.ts'
import { commonPrefixes } from '../kit/prefix-index.ts'
import { WatchCache } from '../source/watch-cache.ts'

export interface SharedWatchesParts {
  readonly transport: Transport
  readonly io: Io
  /** Undefined once the transport is open; throws when it is closed. */
  readonly opened: () => Promise<void> | undefined
}

/**
 * Watches of a transport that readers of other processes share, one per set of served prefixes, beside the agent's own:
 * their batches carry no receipts, so that `applied` waits for no remote watcher (datasync.md §5).
 */
export class SharedWatches {
  readonly #parts: SharedWatchesParts
  readonly #caches = new Map<string, WatchCache>()

  constructor(parts: SharedWatchesParts) {
    this.#parts = parts
  }

  /** `cover`: what the shared watch is on; the prefixes are within it. @throws ClosedError */
  stream(
    cover: readonly string[],
    prefixes: readonly string[],
    from: Position | undefined,
    signal: AbortSignal,
  ): BatchStream {
    const opening = this.#parts.opened()
    const open = (): BatchStream => this.#open(cover, prefixes, from, signal)
    return opening === undefined ? open() : new AwaitedStream(opening, signal, open)
  }

  /** Of the watches that are its own: nothing else tells when only remote watchers are there. */
  get statuses(): readonly TransportStatus[] {
    return Array.from(this.#caches.values(), ({ status }) => status)
  }

  /** Pairs that were read, with the revisions that remote watchers see. */
  numbered(cover: readonly string[], pairs: readonly RawPair[]): readonly RawPair[] {
    return this.#caches.get(JSON.stringify(cover))?.numbered(pairs) ?? pairs
  }

  close(): void {
    for (const cache of this.#caches.values()) cache.close()
  }

  #open(
    cover: readonly string[],
    prefixes: readonly string[],
    from: Position | undefined,
    signal: AbortSignal,
  ): BatchStream {
    const { transport, io } = this.#parts
    // After an open that was waited for the engine may be closed.
    void this.#parts.opened()
    const shared = transport.sharedStream?.(prefixes, from, { ...io, signal })
    if (shared !== undefined) return shared
    const { watchablePrefixes } = transport.capabilities
    const name = JSON.stringify(cover)
    let cache = this.#caches.get(name)
    if (cache === undefined) {
      const held =
        watchablePrefixes === undefined ? cover : commonPrefixes(cover, watchablePrefixes)
      cache = new WatchCache({ transport, prefixes: held, io })
      this.#caches.set(name, cache)
    }
    return cache.stream({ prefixes, from, signal, remote: true })
  }
}
