import protobuf from 'protobufjs/light.js'
import type { Type } from 'protobufjs/light.js'
import type { Codec } from '../../grpc-link/link.ts'

/** `optional` tells an absent value from an empty one. */
export type Field = readonly [type: string, id: number, rule?: 'repeated' | 'optional']

/** One call of a service: what it takes and gives, and which of both are streams. */
export interface Rpc {
  readonly request: string
  readonly response: string
  readonly requestStream?: boolean
  readonly responseStream?: boolean
}

/** What a .proto file says; `proto/` holds the text of it, which a test compares. */
export interface ProtoTable {
  /** Of the .proto file. */
  readonly file: string
  readonly package: string
  /** A name in another one is `Outer.Inner`. */
  readonly messages: Readonly<Record<string, Readonly<Record<string, Field>>>>
  readonly enums: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly service: string
  readonly rpcs: Readonly<Record<string, Rpc>>
}

/** One message type, in both forms that gRPC carries. */
export interface MessageCodec<T> extends Codec<T> {
  /** As Go's encoding/json writes a generated struct: original names, numbers for enums, base64 for bytes. */
  readonly toJson: (message: T) => Buffer
  /** That, and the canonical JSON of protobuf. @throws when it does not fit the type */
  readonly fromJson: (bytes: Uint8Array) => T
}

interface Nested {
  fields: Record<string, object>
  oneofs?: Record<string, { oneof: string[] }>
  nested?: Record<string, Nested>
}

/** The table as protobufjs has it; `nameOf` renames fields. */
export function rootOf(
  table: ProtoTable,
  nameOf: (field: string) => string = (field) => field,
): protobuf.Root {
  const types: Record<string, Nested> = {}
  for (const [path, fields] of Object.entries(table.messages)) {
    const names = path.split('.')
    const name = names.pop() as string
    let space = types
    for (const outer of names) space = (types[outer] as Nested).nested ??= {}
    space[name] = typeJson(fields, nameOf)
  }
  const enums = Object.fromEntries(
    Object.entries(table.enums).map(([name, values]) => [name, { values }]),
  )
  const methods = Object.fromEntries(
    Object.entries(table.rpcs).map(([name, { request, response, ...streams }]) => [
      name,
      { requestType: request, responseType: response, ...streams },
    ]),
  )
  const root = new protobuf.Root()
  root.define(table.package).addJSON({ ...types, ...enums, [table.service]: { methods } } as never)
  root.resolveAll()
  return root
}

function typeJson(
  fields: Readonly<Record<string, Field>>,
  nameOf: (field: string) => string,
): Nested {
  const json: Nested = { fields: {} }
  for (const [field, [type, id, rule]] of Object.entries(fields)) {
    const name = nameOf(field)
    json.fields[name] = {
      type,
      id,
      ...(rule === 'repeated' ? { rule } : {}),
      ...(rule === 'optional' ? { options: { proto3_optional: true } } : {}),
    }
    if (rule === 'optional') (json.oneofs ??= {})[`_${name}`] = { oneof: [name] }
  }
  return json
}

const TO_JSON = { bytes: String, longs: Number, enums: Number, arrays: false } as const

/** A type of a table's root. */
export function messageCodec<T>(root: protobuf.Root, name: string): MessageCodec<T> {
  const type: Type = root.lookupType(name)
  return {
    encode: (message) => type.encode(message as object).finish() as Buffer,
    decode: (bytes) => type.decode(bytes) as unknown as T,
    toJson: (message) => Buffer.from(JSON.stringify(type.toObject(message as never, TO_JSON))),
    fromJson: (bytes) => {
      const json: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'))
      return type.fromObject(accepted(type, json)) as unknown as T
    },
  }
}

/** Either of a field's names counts, and null is as good as absent. @throws TypeError for what does not fit */
function accepted(type: Type, json: unknown): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new TypeError(`${type.name}: must be an object`)
  }
  const given = json as Readonly<Record<string, unknown>>
  const object: Record<string, unknown> = {}
  for (const field of type.fieldsArray) {
    const name = [field.name, camel(field.name), snake(field.name)].find((each) =>
      Object.hasOwn(given, each),
    )
    const value = name === undefined ? undefined : given[name]
    if (value === undefined || value === null) continue
    if (!field.repeated) object[field.name] = acceptedValue(field, value)
    else if (Array.isArray(value)) {
      object[field.name] = value.map((item: unknown) => acceptedValue(field, item))
    } else throw new TypeError(`${type.name}.${field.name}: must be an array`)
  }
  return object
}

const BASE64 = /^[\w+/-]*={0,2}$/u

/** Of either alphabet, padded or not. Node takes what is cut off for the rest of it. */
function isBase64(text: string): boolean {
  if (!BASE64.test(text)) return false
  const padding = text.indexOf('=')
  return padding === -1 ? text.length % 4 !== 1 : text.length % 4 === 0
}

function acceptedValue({ name, type, resolvedType }: protobuf.Field, value: unknown): unknown {
  const wrong = (what: string): TypeError => new TypeError(`${name}: must be ${what}`)
  if (resolvedType instanceof protobuf.Type) return accepted(resolvedType, value)
  if (resolvedType instanceof protobuf.Enum) {
    const number = typeof value === 'string' ? resolvedType.values[value] : value
    if (number === undefined || !Number.isInteger(number)) throw wrong('a known name or a number')
    return number
  }
  switch (type) {
    case 'string':
      if (typeof value !== 'string') throw wrong('a string')
      return value
    case 'bool':
      if (typeof value !== 'boolean') throw wrong('true or false')
      return value
    case 'bytes':
      if (typeof value !== 'string' || !isBase64(value)) throw wrong('base64')
      return Buffer.from(value, 'base64')
    default: {
      const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
      if (typeof number !== 'number' || !Number.isFinite(number)) throw wrong('a number')
      if (type === 'double') return number
      if (!Number.isInteger(number)) throw wrong('an integer')
      if (type.startsWith('u') && number < 0) throw wrong('an integer from 0')
      if (type.endsWith('32') && number >= 2 ** 32) throw wrong('an integer of 32 bits')
      return number
    }
  }
}

/** `ifVersion` of `if_version`. */
export function camel(name: string): string {
  return name.replace(/_(?<letter>[a-z])/gu, (_all, letter: string) => letter.toUpperCase())
}

/** `if_version` of `ifVersion`. */
export function snake(name: string): string {
  return name.replace(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`)
}
