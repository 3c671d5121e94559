import { InvalidOptionError, UnsupportedOptionError } from '../../../api/errors.ts'
import type { Message } from '../../../api/message.ts'
import type { Model } from '../../../api/model.ts'

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json(?:;|$)/iu

/** Turns what clients send as content into a value's bytes. */
export class Contents {
  readonly #models: readonly Model<unknown>[]
  readonly #transport: string

  constructor(models: readonly Model<unknown>[], transport: string) {
    // The longest prefix is the nearest.
    this.#models = [...models]
      .filter(({ json }) => json !== undefined)
      .sort((a, b) => b.prefix.length - a.prefix.length)
    this.#transport = transport
  }

  /**
   * The content is the value, unless it is declared to be JSON: then the key's model makes a message of it.
   * @throws UnsupportedOptionError (no model with a JSON codec), InvalidOptionError (it does not fit)
   */
  valueOf(key: string, content: Uint8Array, contentType: string): Uint8Array {
    // A slice would keep the whole message in memory, and what came with it.
    if (contentType === '' || !JSON_TYPE.test(contentType)) return Buffer.from(content)
    const model = this.#models.find(({ prefix }) => key.startsWith(prefix))
    if (model?.json === undefined) {
      throw new UnsupportedOptionError(
        'content_type application/json',
        this.#transport,
        'no model with a JSON codec is given for the key',
      )
    }
    try {
      const json: unknown = JSON.parse(Buffer.from(content).toString('utf8'))
      return serialized(model, model.json.fromJson(json))
    } catch (cause) {
      throw new InvalidOptionError('content', 'is not the JSON of a value of the key', { cause })
    }
  }
}

function serialized({ type }: Model<unknown>, value: unknown): Uint8Array {
  if ('message' in type && typeof type.message === 'function') {
    return (type.message as (value: unknown) => Message)(value).serializeBinary()
  }
  return (value as Message).serializeBinary()
}
