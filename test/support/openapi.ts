import { Ajv2020 } from 'ajv/dist/2020.js'
import type { ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { http } from './http.ts'
import type { HttpAnswer, HttpCall } from './http.ts'

interface Operation {
  readonly responses: Readonly<Record<string, { readonly content?: Record<string, unknown> }>>
}
export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Record<string, unknown> }
}

const METHODS = new Set(['get', 'head', 'put', 'post', 'delete'])

/** Sends requests and looks whether each answer is one that the document knows, with a body that fits. */
export class OpenApiCheck {
  readonly #base: string
  readonly #document: OpenApi
  readonly #ajv: Ajv2020
  /** `get /v1/keys 200`, of all answers so far. */
  readonly seen: Set<string> = new Set()

  private constructor(base: string, document: OpenApi) {
    this.#base = base
    this.#document = document
    this.#ajv = new Ajv2020({ strict: false })
    addFormats.default(this.#ajv)
    this.#ajv.addSchema({ $id: 'openapi', ...document })
  }

  static async of(base: string): Promise<OpenApiCheck> {
    const answer = await http(base, '/v1/openapi.json')
    return new OpenApiCheck(base, answer.json as OpenApi)
  }

  /** `get /v1/keys 200`, of all that the document has. */
  get documented(): Set<string> {
    const all = Object.entries(this.#document.paths).flatMap(([path, methods]) =>
      Object.entries(methods)
        .filter(([method]) => METHODS.has(method))
        .flatMap(([method, { responses }]) =>
          Object.keys(responses).map((status) => `${method} ${path} ${status}`),
        ),
    )
    return new Set(all)
  }

  /** @throws Error when the document does not say so */
  async http(target: string, call: HttpCall = {}, base: string = this.#base): Promise<HttpAnswer> {
    const answer = await http(base, target, call)
    this.look(target, call.method ?? 'GET', answer)
    return answer
  }

  look(target: string, upper: string, answer: HttpAnswer): void {
    const method = upper.toLowerCase()
    const path = this.#pathOf(target)
    // Another method than there are: any of the path says what is answered then.
    const known = this.#document.paths[path]?.[method]
    const name = known === undefined ? 'get' : method
    const operation =
      known ?? this.#document.paths[path]?.['get'] ?? this.#document.paths[path]?.['post']
    const response = operation?.responses[String(answer.status)]
    if (response === undefined)
      throw new Error(`${method} ${target}: ${answer.status} is not documented: ${answer.text}`)
    this.seen.add(`${name} ${path} ${answer.status}`)
    if (method === 'head' || answer.status === 304) {
      if (answer.body.length > 0) throw new Error(`${method} ${target} has a body`)
      return
    }
    const type = answer.headers['content-type']?.split(';')[0] ?? ''
    if (response.content?.[type] === undefined) {
      throw new Error(`${method} ${target}: ${answer.status} of ${type} is not documented`)
    }
    if (!type.endsWith('json')) return
    const escaped = path
      .replaceAll('~', '~0')
      .replaceAll('/', '~1')
      .replaceAll('{', '%7B')
      .replaceAll('}', '%7D')
    const pointer = `openapi#/paths/${escaped}/${known === undefined ? Object.keys(this.#document.paths[path] ?? {}).find((each) => METHODS.has(each)) : method}/responses/${answer.status}/content/${type.replaceAll('/', '~1').replaceAll('+', '%2B')}/schema`
    const validate = this.#ajv.getSchema(pointer) as ValidateFunction | undefined
    if (validate === undefined) throw new Error(`no schema at ${pointer}`)
    if (!validate(answer.json)) {
      throw new Error(
        `${method} ${target} ${answer.status}: ${this.#ajv.errorsText(validate.errors)}: ${answer.text}`,
      )
    }
  }

  #pathOf(target: string): string {
    const [path = ''] = target.split('?', 1)
    if (this.#document.paths[path] !== undefined) return path
    if (path.startsWith('/v1/key/')) return '/v1/key/{path}'
    return '/{path}'
  }
}
