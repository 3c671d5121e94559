import { DecodeError, InvalidOptionError } from '../../../api/errors.ts'
import { hasPrefix } from '../../../api/key.ts'
import type { Message } from '../../../api/message.ts'
import type { Model } from '../../../api/model.ts'
import type { RawPair } from '../../../api/transport.ts'
import { fromBase64, toBase64 } from '../protocol.ts'
import type { WirePair } from '../protocol.ts'

/** How values are told. */
export interface ValueForm {
  /** Keys, versions and revisions only. */
  readonly values: boolean
  /** As JSON where a model has a codec, else as base64. */
  readonly json: boolean
}

/** Values as JSON, by the models of their keys. */
export class Values {
  /** Longest prefix first. */
  readonly #models: readonly Model<unknown>[]

  constructor(models: readonly Model<unknown>[]) {
    this.#models = models
      .filter(({ json }) => json !== undefined)
      .toSorted((a, b) => b.prefix.length - a.prefix.length)
  }

  get prefixes(): readonly string[] {
    return this.#models.map(({ prefix }) => prefix)
  }

  hasJson(key: string): boolean {
    return this.#modelOf(key) !== undefined
  }

  /** @throws DecodeError (`SYNC_DECODE`) when the bytes are no such value */
  toJson(key: string, value: Uint8Array): unknown {
    const model = this.#modelOf(key)
    if (model?.json === undefined) throw new InvalidOptionError('value', `no model covers ${key}`)
    try {
      // Decoders may keep what they are given.
      const json = model.json.toJson(model.deserializeBinary(new Uint8Array(value)))
      // A BigInt, a circle, nothing at all: what is no JSON would end the whole answer.
      if (JSON.stringify(json) !== undefined) return json
    } catch (cause) {
      throw new DecodeError(key, model.prefix, { cause })
    }
    throw new DecodeError(key, model.prefix)
  }

  /** @throws DecodeError (`SYNC_DECODE`), InvalidOptionError when no model covers the key */
  fromJson(key: string, json: unknown): Uint8Array {
    const model = this.#modelOf(key)
    if (model?.json === undefined) throw new InvalidOptionError('value', `no model covers ${key}`)
    try {
      const value = model.json.fromJson(json)
      const bytes = messageOf(model, value).serializeBinary()
      if (bytes instanceof Uint8Array) return bytes
    } catch (cause) {
      throw new DecodeError(key, model.prefix, { cause })
    }
    throw new DecodeError(key, model.prefix)
  }

  /** The value of an item in a body. @throws DecodeError, InvalidOptionError */
  fromWire(key: string, value: unknown, encoding: unknown, where: string): Uint8Array {
    if (encoding === 'json') return this.fromJson(key, value)
    if (encoding !== undefined && encoding !== 'base64') {
      throw new InvalidOptionError(`${where}.encoding`, 'must be base64 or json')
    }
    const bytes = typeof value === 'string' ? fromBase64(value) : undefined
    if (bytes === undefined) throw new InvalidOptionError(`${where}.value`, 'must be base64')
    return bytes
  }

  toWire({ key, value, version, revision }: RawPair, form: ValueForm): WirePair {
    if (!form.values) return { key, version, revision }
    if (form.json && this.hasJson(key)) {
      try {
        return { key, value: this.toJson(key, value), encoding: 'json', version, revision }
      } catch {
        // One value that is no message must not hide the others.
      }
    }
    return { key, value: toBase64(value), encoding: 'base64', version, revision }
  }

  #modelOf(key: string): Model<unknown> | undefined {
    return this.#models.find(({ prefix }) => hasPrefix(key, prefix))
  }
}

/** Of a generated class the value is a message; a codec wraps it. */
function messageOf(model: Model<unknown>, value: unknown): Message {
  const { type } = model
  if ('message' in type && typeof type.message === 'function') {
    return (type.message as (value: unknown) => Message)(value)
  }
  return value as Message
}
