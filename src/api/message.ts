import { DecodeError, InvalidOptionError } from './errors.ts'

/** Anything that can be written: google-protobuf classes fit as they are. */
export interface Message {
  /** The bytes belong to the framework afterwards: nobody may change them. */
  serializeBinary(): Uint8Array
}

/** Anything that can read a value's bytes: google-protobuf classes fit as they are. */
export interface MessageType<T> {
  deserializeBinary(bytes: Uint8Array): T
}

/** A {@link MessageType} that can also write: what {@link codec} returns. */
export interface Codec<T> extends MessageType<T> {
  /** Wraps a value as a {@link Message}. It is encoded when it is written. */
  message(value: T): Message
}

/**
 * Bytes as a {@link Message}, for values that are encoded already. They are copied here and now.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`) for what is no Uint8Array, such as a string
 */
export function raw(bytes: Uint8Array): Message {
  if (!(bytes instanceof Uint8Array)) throw new InvalidOptionError('bytes', 'must be a Uint8Array')
  const copy = new Uint8Array(bytes)
  return { serializeBinary: () => copy }
}

/**
 * Plugs in any other serialisation (protobuf-es, JSON, MessagePack, …).
 * A `decode` that throws surfaces as {@link DecodeError} from `getValue`.
 */
export function codec<T>(functions: {
  encode: (value: T) => Uint8Array
  decode: (bytes: Uint8Array) => T
}): Codec<T> {
  const { encode, decode } = functions
  return {
    message: (value) => ({ serializeBinary: () => encode(value) }),
    deserializeBinary: decode,
  }
}

/** Decodes with the error that the contract promises. @throws DecodeError (`SYNC_DECODE`) */
export function decode<T>(type: MessageType<T>, bytes: Uint8Array, key: string): T {
  try {
    return type.deserializeBinary(bytes)
  } catch (cause) {
    throw new DecodeError(key, typeName(type), { cause })
  }
}

/** As protobuf-es and google-protobuf's classes say it; of a model that of its type. */
function typeName(type: object): string {
  if ('typeName' in type && typeof type.typeName === 'string') return type.typeName
  if ('displayName' in type && typeof type.displayName === 'string') {
    return type.displayName.replace(/^proto\./u, '')
  }
  if (typeof type === 'function' && type.name !== '') return type.name
  return 'type' in type && isMessageType(type.type) ? typeName(type.type) : 'value'
}

/** True for what can read a value's bytes; generated classes are functions, others may be objects. */
export function isMessageType(type: unknown): type is MessageType<unknown> {
  if (type === null || (typeof type !== 'object' && typeof type !== 'function')) return false
  return 'deserializeBinary' in type && typeof type.deserializeBinary === 'function'
}
