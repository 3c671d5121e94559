import { assertKey, assertPrefix, hasPrefix } from './key.ts'
import { InvalidKeyError, InvalidOptionError } from './errors.ts'
import { isMessageType } from './message.ts'
import type { MessageType } from './message.ts'
import type { LazyValue } from './change-event.ts'

/** How a model's values look as JSON (CLI, REST); google-protobuf has no JSON mapping of its own. */
export interface JsonCodec<T> {
  toJson(value: T): unknown
  fromJson(json: unknown): T
}

/** What {@link Model.owns} proves about an event or a pair. */
export interface ValueOf<T> extends LazyValue {
  getValue(type: MessageType<T>): T
  getValue<U>(type: MessageType<U>): U
}

/**
 * A prefix and the type of the values under it. A model is a {@link MessageType} itself:
 * `event.getValue(interfaces)` decodes, and it stands wherever a prefix is asked for.
 */
export interface Model<T> extends MessageType<T> {
  readonly prefix: string
  readonly type: MessageType<T>
  readonly json: JsonCodec<T> | undefined
  /** The key of one item. @throws InvalidKeyError when the name is empty or the key breaks the rules */
  key(name: string): string
  /** The item's name: the key without the prefix; undefined when the key is not ours. */
  nameOf(key: string): string | undefined
  /** True when the key is under the prefix; narrows an event to one with values of this model. */
  owns<E extends { readonly key: string }>(event: E): event is E & ValueOf<T>
}

/** A prefix: a string or a {@link Model}. */
export type Prefix = string | Model<unknown>

/**
 * @throws InvalidKeyError (`SYNC_INVALID_KEY`) when the prefix breaks the rules, InvalidOptionError
 *   (`SYNC_INVALID_OPTION`) when the type cannot read values
 */
export function model<T>(
  prefix: string,
  type: MessageType<T>,
  options: { json?: JsonCodec<T> } = {},
): Model<T> {
  assertPrefix(prefix)
  if (!isMessageType(type)) {
    throw new InvalidOptionError('type', 'has no deserializeBinary(); wrap functions with codec()')
  }
  return Object.freeze({
    prefix,
    type,
    json: options.json,
    deserializeBinary: (bytes: Uint8Array) => type.deserializeBinary(bytes),
    key(name: string): string {
      if (name === '') throw new InvalidKeyError(prefix, 'the name is empty')
      const key = prefix + name
      assertKey(key)
      return key
    },
    nameOf: (key: string) => (hasPrefix(key, prefix) ? key.slice(prefix.length) : undefined),
    owns<E extends { readonly key: string }>(event: E): event is E & ValueOf<T> {
      return hasPrefix(event.key, prefix)
    },
  })
}

/** The string of a prefix or model. @throws InvalidKeyError (`SYNC_INVALID_KEY`) when it is neither */
export function prefixOf(prefix: Prefix): string {
  if (typeof prefix === 'string') return prefix
  const own: unknown = (prefix as Partial<Model<unknown>> | null | undefined)?.prefix
  if (typeof own !== 'string')
    throw new InvalidKeyError(typeof prefix, 'it is neither a string nor a model')
  return own
}
