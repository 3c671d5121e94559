import { describeError } from '../api/errors.ts'
import { printable, textOf, utf8Of } from '../kit/printable.ts'

/** How bytes are shown where no message type is known. */
export const ENCODINGS = ['auto', 'utf8', 'json', 'hex', 'base64'] as const
export type Encoding = (typeof ENCODINGS)[number]

/** A value as it stands in a line of JSON. */
export interface JsonValue {
  readonly value: unknown
  /** `utf8`, `hex`, `base64`: `value` is that text; `json`: it is JSON itself, of a message or a document. */
  readonly encoding: Exclude<Encoding, 'auto'>
  /** Why it is not shown as it was asked for. */
  readonly error?: string
}

/** Turns the bytes of values into something to look at. Never throws. */
export interface ValueFormat {
  toJson(bytes: Uint8Array): JsonValue
  /** One line, safe on a terminal. */
  toLine(bytes: Uint8Array): string
  /** As many lines as it takes. */
  toText(bytes: Uint8Array): string
}

/** Reads and writes one message type as JSON. */
export interface MessageFormat {
  readonly typeName: string
  /** @throws Error when the bytes are no such message */
  decode(bytes: Uint8Array): unknown
  /** @throws Error when the JSON does not fit the type */
  encode(json: unknown): Uint8Array
}

/** Messages as JSON; what cannot be decoded as bytes, with the reason. */
export function messageFormat(message: MessageFormat): ValueFormat {
  return new DecodingFormat((bytes) => message.decode(bytes), `not of type ${message.typeName}`)
}

/** Bytes as text or digits; `auto` takes UTF-8 where it is text without control characters. */
export function bytesFormat(encoding: Encoding): ValueFormat {
  if (encoding === 'json') return new DecodingFormat(parseJson, 'not JSON')
  return new PlainFormat(encoding)
}

/** Bytes from hex digits; spaces and a leading `0x` do not count. Undefined when they are none. */
export function bytesOfHex(text: string): Uint8Array | undefined {
  const digits = text.replace(/\s+/gu, '').replace(/^0x/iu, '')
  if (digits.length % 2 !== 0 || !/^[\da-f]*$/iu.test(digits)) return undefined
  return Buffer.from(digits, 'hex')
}

class PlainFormat implements ValueFormat {
  readonly #encoding: Exclude<Encoding, 'json'>

  constructor(encoding: Exclude<Encoding, 'json'>) {
    this.#encoding = encoding
  }

  toJson(bytes: Uint8Array): JsonValue {
    const { encoding, text, error } = this.#encoded(bytes, 'base64')
    return { value: text, encoding, ...(error === undefined ? {} : { error }) }
  }

  toLine(bytes: Uint8Array): string {
    const { encoding, text } = this.#encoded(bytes, 'hex')
    if (bytes.length === 0) return '(empty)'
    return encoding === 'hex' ? `0x${text}` : printable(text)
  }

  toText(bytes: Uint8Array): string {
    const { encoding, text } = this.#encoded(bytes, 'hex')
    // Text from `textOf` is safe already; forced UTF-8 is not.
    return encoding === 'utf8' && this.#encoding === 'auto' ? text : this.toLine(bytes)
  }

  #encoded(
    bytes: Uint8Array,
    other: 'hex' | 'base64',
  ): { encoding: 'utf8' | 'hex' | 'base64'; text: string; error?: string } {
    switch (this.#encoding) {
      case 'hex':
      case 'base64':
        return { encoding: this.#encoding, text: digits(bytes, this.#encoding) }
      case 'utf8': {
        const text = utf8Of(bytes)
        if (text !== undefined) return { encoding: 'utf8', text }
        return { encoding: other, text: digits(bytes, other), error: 'not UTF-8' }
      }
      case 'auto': {
        const text = textOf(bytes)
        if (text !== undefined) return { encoding: 'utf8', text }
        return { encoding: other, text: digits(bytes, other) }
      }
    }
  }
}

class DecodingFormat implements ValueFormat {
  readonly #decode: (bytes: Uint8Array) => unknown
  readonly #problem: string
  readonly #plain = new PlainFormat('auto')

  constructor(decode: (bytes: Uint8Array) => unknown, problem: string) {
    this.#decode = decode
    this.#problem = problem
  }

  toJson(bytes: Uint8Array): JsonValue {
    try {
      return { value: this.#decode(bytes), encoding: 'json' }
    } catch (error) {
      const reason = `${this.#problem}: ${describeError(error)}`
      return { ...this.#plain.toJson(bytes), error: reason }
    }
  }

  toLine(bytes: Uint8Array): string {
    const { value, error } = this.toJson(bytes)
    if (error !== undefined) return `${this.#plain.toLine(bytes)} (${printable(error)})`
    return printable(JSON.stringify(value))
  }

  toText(bytes: Uint8Array): string {
    const { value, error } = this.toJson(bytes)
    if (error !== undefined) return this.toLine(bytes)
    return JSON.stringify(value, undefined, 2).split('\n').map(printable).join('\n')
  }
}

function digits(bytes: Uint8Array, encoding: 'hex' | 'base64'): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(encoding)
}

function parseJson(bytes: Uint8Array): unknown {
  const text = utf8Of(bytes)
  if (text === undefined) throw new Error('it is not UTF-8')
  return JSON.parse(text)
}
