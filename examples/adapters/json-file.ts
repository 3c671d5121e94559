import { watch } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hasPrefix } from 'rx-datasync'
import type { Batch, Capabilities, CommitResult, Io, Op, RawPair, Transport } from 'rx-datasync'
import { toBytes, toText, versionOf } from './value-text.ts'

/** A data set in one JSON file, `{ "/lamp/kitchen": "on" }`, which people may edit while it is watched. */
export class JsonFile implements Transport {
  readonly name = 'json-file'
  /** Local: there is no link to lose. */
  readonly livenessMs = 0
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
    ordered: false,
    maxValueBytes: 8 * 1024 * 1024,
  }
  readonly #path: string
  #waiting: (readonly Op[])[] = []
  #nextWrite: Promise<readonly CommitResult[]> | undefined
  #lastWrite: Promise<unknown> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  async open(): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true })
    await this.#read()
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

  async *list(prefix: string): AsyncGenerator<readonly RawPair[]> {
    yield (await this.#pairs()).filter(({ key }) => hasPrefix(key, prefix))
  }

  async get(keys: readonly string[]): Promise<readonly RawPair[]> {
    return (await this.#pairs()).filter(({ key }) => keys.includes(key))
  }

  /** One writing at a time. Who comes meanwhile shares the next one. */
  async commit(ops: readonly Op[]): Promise<CommitResult> {
    const place = this.#waiting.push(ops) - 1
    this.#nextWrite ??= this.#lastWrite.then(() => this.#write())
    this.#lastWrite = this.#nextWrite.catch(() => {})
    return (await this.#nextWrite)[place] as CommitResult
  }

  async close(): Promise<void> {
    await this.#lastWrite
  }

  async #write(): Promise<readonly CommitResult[]> {
    const commits = this.#waiting
    this.#waiting = []
    this.#nextWrite = undefined
    const table = await this.#read()
    const results = commits.map((ops) => apply(ops, table))
    const draft = `${this.#path}.draft`
    await writeFile(draft, `${JSON.stringify(Object.fromEntries(table), null, 2)}\n`)
    await rename(draft, this.#path)
    return results
  }

  async #pairs(): Promise<RawPair[]> {
    const table = await this.#read()
    return Array.from(table, ([key, text]) => {
      return { key, value: toBytes(text), revision: 0, version: versionOf(text) }
    })
  }

  /** @throws SyntaxError when somebody saved something else than JSON; the core tries again, with back-off */
  async #read(): Promise<Map<string, string>> {
    try {
      return new Map(Object.entries(JSON.parse(await readFile(this.#path, 'utf8')) as object))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
      throw error
    }
  }
}

function apply(ops: readonly Op[], table: Map<string, string>): CommitResult {
  for (const op of ops) {
    if (op.type === 'put') table.set(op.key, toText(op.value))
    else if (op.type === 'delete') table.delete(op.key)
    else for (const key of table.keys()) if (hasPrefix(key, op.prefix)) table.delete(key)
  }
  return {
    versions: ops.map((op) => (op.type === 'put' ? versionOf(toText(op.value)) : undefined)),
  }
}
