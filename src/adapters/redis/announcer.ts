/** What one node tells about changes, over connections that the hub watches. */
export interface Announcer {
  /** Announces keys under these prefixes from now on, and need not announce others. No change in between is missed. */
  cover(prefixes: readonly string[]): Promise<void>
  /** @throws when changes are no longer announced though the connections live */
  check(): Promise<void>
}

/** Where an announcer's words go. Must not throw. */
export interface AnnouncerSink {
  /** The key's name stands in `bytes` from `offset` on. */
  changed(bytes: Buffer, offset: number): void
  /** Everything may have changed. */
  flushed(): void
}
