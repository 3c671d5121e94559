import type { Observable } from 'rxjs'
import type { KeyVal } from '../api/change-event.ts'
import type { Message } from '../api/message.ts'
import type { Prefix } from '../api/model.ts'
import type { Sync } from '../api/plugin.ts'
import type { WatchOptions, WatchRegistration } from '../api/watcher.ts'
import type {
  DeleteResult,
  DelOptions,
  Publication,
  PublishResult,
  PutOptions,
  PutResult,
  Transaction,
} from '../api/writer.ts'
import type { Engine } from '../engine/engine.ts'

/** A plugin's way to one transport: what it watches is known as its own. */
export class PluginSync implements Sync {
  readonly #engine: Engine
  readonly #plugin: string

  constructor(engine: Engine, plugin: string) {
    this.#engine = engine
    this.#plugin = plugin
  }

  watch(
    resyncName: string,
    prefixes: Prefix | readonly Prefix[],
    options?: WatchOptions,
  ): WatchRegistration {
    return this.#engine.watch(resyncName, prefixes, options, this.#plugin)
  }

  get(key: string): Promise<KeyVal | undefined> {
    return this.#engine.get(key)
  }

  list(prefix: Prefix): AsyncIterable<KeyVal> {
    return this.#engine.list(prefix)
  }

  put(key: string, message: Message, options?: PutOptions): Promise<PutResult> {
    return this.#engine.put(key, message, options)
  }

  delete(key: string, options?: DelOptions): Promise<DeleteResult> {
    return this.#engine.delete(key, options)
  }

  txn(): Transaction {
    return this.#engine.txn()
  }

  publish(
    changes: Observable<Publication> | AsyncIterable<Publication>,
  ): Observable<PublishResult> {
    return this.#engine.publish(changes)
  }
}
