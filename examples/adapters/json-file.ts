import { watch } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hasPrefix } from 'rx-datasync'
import type { Batch, Capabilities, CommitResult, Io, Op, RawPair, Transport } from 'rx-datasync'
import { JsonTable } from './json-table.ts'
import { toBytes, toText, versionOf } from './value-text.ts'

/** A data set in one JSON file, `{ "/lamp/kitchen": "on" }`, which people may edit while it is watched. */
export class JsonFile implements Transport {
  readonly name = 'json-file'
  /** What is claimed here is tested by the contract suite. */
  readonly capabilities: Capabilities = {
    resumable: false,
    storeRevisions: false,
    ttl: false,
    conditionalPut: false, // an editor that saves meanwhile would not be noticed
    transactions: true, // the file is replaced in one step
    prefixDelete: true,
    waitForApplied: false,
    browser: false,
    maxValueBytes: 8 * 1024 * 1024,
  }
  readonly #path: string
  readonly #table: JsonTable

  constructor(path: string) {
    this.#path = path
    this.#table = new JsonTable(path)
  }

  async open(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true })
    await this.#table.read()
  }

  /** Lists the whole file at every change; the core finds the differences. Ends with the signal, or throws. */
  async *stream(_prefixes: readonly string[], _from: unknown, io: Io): AsyncGenerator<Batch> {
    let changed = true
    let wake = (): void => {}
    const notice = (): void => {
      changed = true
      wake()
    }
    // The folder, because a save may replace the file. Watched before it is read: nothing falls between.
    const watcher = watch(dirname(this.#path), notice)
    io.signal.addEventListener('abort', notice)
    try {
      while (!io.signal.aborted) {
        if (!changed) await new Promise<void>((resolve) => (wake = resolve))
        changed = false
        yield { kind: 'pairs', pairs: await this.#pairs() }
        yield { kind: 'listed' }
      }
    } finally {
      watcher.close()
    }
  }

  async get(keys: readonly string[]): Promise<readonly RawPair[]> {
    return (await this.#pairs()).filter(({ key }) => keys.includes(key))
  }

  async commit(ops: readonly Op[]): Promise<CommitResult> {
    await this.#table.update((table) => {
      for (const op of ops) apply(op, table)
    })
    return {
      versions: ops.map((op) => (op.type === 'put' ? versionOf(toText(op.value)) : undefined)),
    }
  }

  close(): Promise<void> {
    return this.#table.settled()
  }

  async #pairs(): Promise<RawPair[]> {
    return Array.from(await this.#table.read(), ([key, text]) => {
      return { key, value: toBytes(text), revision: 0, version: versionOf(text) }
    })
  }
}

function apply(op: Op, table: Map<string, string>): void {
  if (op.type === 'put') table.set(op.key, toText(op.value))
  else if (op.type === 'delete') table.delete(op.key)
  else for (const key of table.keys()) if (hasPrefix(key, op.prefix)) table.delete(key)
}
