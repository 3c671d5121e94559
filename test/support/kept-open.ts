import { DelegatingTransport } from '../../src/testing/delegating-transport.ts'

/** One agent's hold on a store that outlives it: closing it leaves the store open for others. */
export class KeptOpen extends DelegatingTransport {
  override async close(): Promise<void> {}
}
