import type { RawChange, RawPair } from '../../api/transport.ts'
import { decodeKey } from './key-names.ts'
import { MOVED, scanPage } from './key-reader.ts'
import type { KeyReader, ReadValue, ScanPage } from './key-reader.ts'
import type { Connection } from './connection.ts'
import { ReadSize } from './read-size.ts'
import { RedisPair } from './redis-pair.ts'

/** Reads of a list that are sent before the first is handed over. */
const PAGES_AHEAD = 2
/** Pages whose keys are looked up before their values can be asked for: a SCAN has to wait for the one before. */
const SCANNED_AHEAD = 2

/** What the reads of one node need to know of all. */
export interface ReadContext {
  readonly read: KeyReader
  /** COUNT of SCAN, and the most keys read at a time. */
  readonly scanCount: number
  /** The glob pattern of the keys to list. */
  readonly pattern: string
  /** A key was listed, whichever node is to be asked for its value. */
  listed(key: string): void
  /** The node was not the one to ask for these keys. */
  moved(keys: readonly string[], of: 'page' | 'changes'): void
  /** A key that is none of ours, or that holds no string. */
  skipped(what: 'key' | 'value'): void
  /** Something has come. */
  wake(): void
}

/** What a read gave. */
export type Landed =
  | { readonly kind: 'pairs'; readonly pairs: readonly RawPair[] }
  | { readonly kind: 'changes'; readonly changes: readonly RawChange[] }

interface UnderWay {
  readonly of: 'scan' | 'page' | 'changes'
  /** Undefined until the answer is here. */
  landed?: { readonly batch?: Landed } | { readonly error: unknown }
}

/**
 * The reads of one node for one stream: pages of a list, and changed keys. All go over one connection and are handed
 * over in the order in which they were sent, which is the order in which the server answered: a value can never be
 * followed by an older one of the same key.
 */
export class NodeReads {
  /** Keys to be read; a key that is marked while it is being read is read again. */
  readonly dirty: Set<string> = new Set()
  readonly #connection: Connection
  readonly #context: ReadContext
  readonly #size: ReadSize
  readonly #underWay: UnderWay[] = []
  /** Listed keys whose values are still to be read. */
  #listed: string[] = []
  /** Where SCAN goes on; undefined when it is at its end or no list is under way. */
  #cursor: string | undefined

  constructor(connection: Connection, context: ReadContext) {
    this.#connection = connection
    this.#context = context
    this.#size = new ReadSize(context.scanCount)
  }

  /** The listed keys that are not being read yet; another node is to be asked for them. */
  giveUpListed(): readonly string[] {
    const listed = this.#listed
    this.#listed = []
    return listed
  }

  /** Nothing is owed and nothing waits to be taken. */
  get idle(): boolean {
    return this.#underWay.length === 0
  }

  /** The list that was begun is not at its end. */
  get listing(): boolean {
    return this.#cursor !== undefined || this.#listed.length > 0 || this.#count('scan', 'page') > 0
  }

  /** Begins to list, from the start. */
  list(): void {
    this.#listed = []
    this.#cursor = '0'
  }

  /** The key's value is to be read as a part of the list. */
  listKey(key: string): void {
    this.#listed.push(key)
  }

  /** Sends what may be under way: pages, and changed keys if `changes`. Nothing waits for a consumer but two pages. */
  send(changes: boolean): void {
    // Before the pages: the server looks up the next keys while we take the last values apart.
    this.#sendScan()
    this.#sendPages()
    if (changes && this.dirty.size > 0 && this.#count('changes') === 0) this.#sendChanges()
  }

  /** The next that has come; undefined when the next has not. @throws what the read did */
  take(): Landed | undefined {
    for (;;) {
      const landed = this.#underWay[0]?.landed
      if (landed === undefined) return undefined
      this.#underWay.shift()
      if ('error' in landed) throw landed.error
      if (landed.batch !== undefined) return landed.batch
    }
  }

  #count(...kinds: UnderWay['of'][]): number {
    return this.#underWay.filter(({ of }) => kinds.includes(of)).length
  }

  /** Small pages, of a prefix that few keys have, are read together. */
  #sendPages(): void {
    const size = this.#size.keys
    const enough = this.#cursor === undefined && !this.#scanning ? 1 : Math.ceil(size / 2)
    while (this.#listed.length >= enough && this.#count('page') < PAGES_AHEAD) {
      this.#sendRead('page', this.#listed.splice(0, size))
    }
  }

  #sendScan(): void {
    if (this.#cursor === undefined || this.#scanning) return
    if (this.#listed.length >= this.#size.keys * SCANNED_AHEAD) return
    const { pattern, scanCount } = this.#context
    const page = scanPage(this.#connection, this.#cursor, pattern, scanCount)
    this.#track(
      'scan',
      page.then((answer) => this.#scanned(answer)),
    )
  }

  get #scanning(): boolean {
    return this.#underWay.some(({ of, landed }) => of === 'scan' && landed === undefined)
  }

  #scanned({ cursor, keys }: ScanPage): undefined {
    this.#cursor = cursor === '0' ? undefined : cursor
    for (const bytes of keys) {
      const key = decodeKey(bytes)
      if (key === undefined) this.#context.skipped('key')
      else this.#context.listed(key)
    }
  }

  #sendChanges(): void {
    const keys: string[] = []
    for (const key of this.dirty) {
      if (keys.length === this.#size.keys) break
      keys.push(key)
    }
    for (const key of keys) this.dirty.delete(key)
    this.#sendRead('changes', keys)
  }

  #sendRead(of: 'page' | 'changes', keys: readonly string[]): void {
    const answer = this.#context.read(this.#connection, keys)
    this.#track(
      of,
      answer.then((values) =>
        of === 'page' ? this.#toPairs(keys, values) : this.#toChanges(keys, values),
      ),
    )
  }

  #track(of: UnderWay['of'], answer: Promise<Landed | undefined>): void {
    const entry: UnderWay = { of }
    this.#underWay.push(entry)
    void answer
      .then(
        (batch) => {
          entry.landed = batch === undefined ? {} : { batch }
        },
        (error: unknown) => {
          entry.landed = { error }
        },
      )
      .finally(() => this.#context.wake())
  }

  #toPairs(keys: readonly string[], values: readonly ReadValue[]): Landed {
    const pairs: RawPair[] = []
    const moved: string[] = []
    let bytes = 0
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string
      const value = values[i]
      if (value === MOVED) moved.push(key)
      else if (value === null || value === undefined) this.#context.skipped('value')
      else {
        bytes += value.length
        pairs.push(new RedisPair(key, value))
      }
    }
    this.#size.learn(pairs.length, bytes)
    if (moved.length > 0) this.#context.moved(moved, 'page')
    return { kind: 'pairs', pairs }
  }

  #toChanges(keys: readonly string[], values: readonly ReadValue[]): Landed {
    const changes: RawChange[] = []
    const moved: string[] = []
    let bytes = 0
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as string
      const value = values[i]
      if (value === MOVED) moved.push(key)
      else if (value === null || value === undefined)
        changes.push({ type: 'delete', key, revision: 0 })
      else {
        bytes += value.length
        changes.push({ type: 'put', pair: new RedisPair(key, detached(value)) })
      }
    }
    this.#size.learn(changes.length, bytes)
    if (moved.length > 0) this.#context.moved(moved, 'changes')
    return { kind: 'changes', changes }
  }
}

/** Most values are parts of the chunk that was read and would hold on to all of it. */
export function detached(value: Buffer): Buffer {
  return value.length === value.buffer.byteLength ? value : Buffer.from(value)
}
