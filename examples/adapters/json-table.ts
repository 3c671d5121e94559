import { readFile, rename, writeFile } from 'node:fs/promises'

type Change = (table: Map<string, string>) => void

/** A JSON file of texts by key. */
export class JsonTable {
  readonly #path: string
  #waiting: Change[] = []
  #nextWrite: Promise<void> | undefined
  #lastWrite: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  /** None when there is no file. @throws SyntaxError when it holds something else than JSON */
  async read(): Promise<Map<string, string>> {
    try {
      return new Map(Object.entries(JSON.parse(await readFile(this.#path, 'utf8')) as object))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
      throw error
    }
  }

  /** Resolves when it is written. One writing at a time; what comes meanwhile shares the next one. */
  update(change: Change): Promise<void> {
    this.#waiting.push(change)
    this.#nextWrite ??= this.#lastWrite.then(() => this.#write())
    this.#lastWrite = this.#nextWrite.catch(() => {})
    return this.#nextWrite
  }

  /** Resolves when nothing is being written. */
  settled(): Promise<void> {
    return this.#lastWrite
  }

  async #write(): Promise<void> {
    const changes = this.#waiting
    this.#waiting = []
    this.#nextWrite = undefined
    const table = await this.read()
    for (const change of changes) change(table)
    const draft = `${this.#path}.draft`
    await writeFile(draft, `${JSON.stringify(Object.fromEntries(table), null, 2)}\n`)
    // Who reads meanwhile sees the old file or the new one.
    await rename(draft, this.#path)
  }
}
