import type { Transport } from '../api/transport.ts'
import type { FakeClock } from './fake-clock.ts'

/** Another program that writes to the same store. */
export interface ExternalWriter {
  put(key: string, value: Uint8Array): Promise<unknown>
  delete(key: string): Promise<unknown>
}

/** One store, empty under `prefix`, for one test. */
export interface ContractFixture {
  /**
   * A fresh instance on the fixture's store, not yet open; the suite opens and closes it. Where a store takes one opener at
   * a time, the one before is closed first.
   */
  transport(): Transport
  /** Unique: the test writes under it only. */
  readonly prefix: string
  /** When the store's TTL goes by the clock of the agent that writes. */
  readonly clock?: FakeClock
  /**
   * False where receivers of another process answer `applied` (REST, gRPC), which the suite has none of: how they do is
   * tested there; true.
   */
  readonly receivers?: boolean
  /** For stores that other programs write to. */
  readonly external?: ExternalWriter
  /** False where the keys under the prefix cannot share a transaction though the transport has them (hash slots); true. */
  readonly transactions?: boolean
  /**
   * False where the same bytes put again are no change though the transport numbers its changes (a composite whose first
   * part has no revisions); else as `storeRevisions` says.
   */
  readonly repeats?: boolean
  /** Called once, at the end of the test, failed or not. */
  dispose(): Promise<void>
}

/** One adapter for {@link contractSuite}. */
export interface ContractOptions {
  /** Stands in the titles. */
  readonly name: string
  /** Called at the beginning of every test. */
  readonly createFixture: () => Promise<ContractFixture>
}
