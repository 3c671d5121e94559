import { DecodeError, describeError, InvalidOptionError } from '../api/errors.ts'
import type { Codec, Message } from '../api/message.ts'
import type { JsonCodec, Model } from '../api/model.ts'
import type { RawPair } from '../api/transport.ts'
import { textOf } from '../kit/printable.ts'
import type { PairView, PutRequest, ValueView } from './protocol.ts'
import { RequestError } from './problem.ts'

/** Bytes as people read them, and back. */
export class Values {
  readonly #models: readonly Model<unknown>[]

  constructor(models: readonly Model<unknown>[]) {
    // The longest prefix first: it knows best.
    this.#models = models
      .filter(({ json }) => json !== undefined)
      .toSorted((a, b) => b.prefix.length - a.prefix.length)
  }

  /** At most `limit` characters of it are shown. */
  pair({ key, value, revision, version }: RawPair, limit: number): PairView {
    const model = this.#modelOf(key)
    return {
      key,
      revision,
      version,
      value: this.view(key, value, limit),
      ...(model === undefined ? {} : { model: model.prefix }),
    }
  }

  view(key: string, bytes: Uint8Array, limit: number): ValueView {
    const size = bytes.length
    const model = this.#modelOf(key)
    // What is far too long to show is not decoded first.
    if (model?.json === undefined || size > limit * 16) return plain(bytes, limit)
    try {
      const json = model.json.toJson(model.deserializeBinary(bytes))
      return { encoding: 'json', size, ...cut(JSON.stringify(json, undefined, 2), limit) }
    } catch (cause) {
      const error = new DecodeError(key, `message of the model ${model.prefix}`, { cause })
      return { ...plain(bytes, limit), problem: `${error.message}: ${describeError(cause)}` }
    }
  }

  /** @throws RequestError (400, 422) */
  bytes(key: string, { encoding, text }: PutRequest['value']): Uint8Array {
    switch (encoding) {
      case 'text':
        if (!text.isWellFormed())
          throw new RequestError(422, 'the value is not text: half of a character')
        return new TextEncoder().encode(text)
      case 'hex':
        return bytesOfHex(text)
      case 'base64':
        return bytesOfBase64(text)
      case 'json': {
        const model = this.#modelOf(key)
        if (model?.json === undefined) {
          throw new RequestError(422, `no model with a JSON codec is known for ${key}`)
        }
        return encode(model, model.json, text)
      }
    }
  }

  #modelOf(key: string): Model<unknown> | undefined {
    return this.#models.find((model) => model.owns({ key }))
  }
}

/** Whether a name of a value's encoding is one. */
export function isEncoding(name: unknown): name is PutRequest['value']['encoding'] {
  return name === 'json' || name === 'text' || name === 'hex' || name === 'base64'
}

function plain(bytes: Uint8Array, limit: number): ValueView {
  const size = bytes.length
  // Of a long value the beginning only, ending between two characters.
  const text = textOf(size > limit * 4 ? wholeCharacters(bytes.subarray(0, limit * 4)) : bytes)
  if (text !== undefined) {
    const shown = cut(text, limit)
    return { encoding: 'text', size, ...shown, ...(size > limit * 4 ? { cut: true } : {}) }
  }
  const head = bytes.subarray(0, Math.floor(limit / 2))
  const hex = Buffer.from(head.buffer, head.byteOffset, head.byteLength).toString('hex')
  return { encoding: 'hex', size, text: hex, ...(head.length < size ? { cut: true } : {}) }
}

function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let end = bytes.length
  // Continuation bytes begin with 10.
  while (end > 0 && ((bytes[end - 1] ?? 0) & 0xc0) === 0x80) end--
  return bytes.subarray(0, Math.max(0, (bytes[end - 1] ?? 0) >= 0xc0 ? end - 1 : end))
}

function cut(text: string, limit: number): { text: string; cut?: true } {
  if (text.length <= limit) return { text }
  const head = text.slice(0, limit)
  return { text: head.isWellFormed() ? head : head.slice(0, -1), cut: true }
}

function encode(model: Model<unknown>, json: JsonCodec<unknown>, text: string): Uint8Array {
  let value: unknown
  try {
    value = json.fromJson(JSON.parse(text))
  } catch (cause) {
    throw new RequestError(422, `the value does not fit its model: ${describeError(cause)}`)
  }
  try {
    const { message } = model.type as Partial<Codec<unknown>>
    const written = message === undefined ? (value as Partial<Message>) : message(value)
    if (typeof written.serializeBinary === 'function') return written.serializeBinary()
  } catch (cause) {
    throw new RequestError(422, `the value could not be encoded: ${describeError(cause)}`)
  }
  throw new InvalidOptionError('models', `${model.prefix}: its values cannot be encoded`)
}

function bytesOfHex(text: string): Uint8Array {
  const digits = text.replace(/\s+/gu, '')
  if (digits.length % 2 !== 0 || !/^[\da-f]*$/iu.test(digits)) {
    throw new RequestError(422, 'the value is not hex: an even number of digits 0-9 and a-f')
  }
  return Buffer.from(digits, 'hex')
}

function bytesOfBase64(text: string): Uint8Array {
  const digits = text.replace(/\s+/gu, '')
  if (digits.length % 4 !== 0 || !/^[\w+/-]*={0,2}$/u.test(digits)) {
    throw new RequestError(422, 'the value is not base64')
  }
  return Buffer.from(digits, 'base64')
}
