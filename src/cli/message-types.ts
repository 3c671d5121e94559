import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, extname, isAbsolute, resolve } from 'node:path'
import protobuf from 'protobufjs'
import type { Namespace, Root, Type } from 'protobufjs'
// Adds `Root.fromDescriptor`.
import 'protobufjs/ext/descriptor.js'
import protojson from 'protobufjs/ext/protojson.js'
import { describeError } from '../api/errors.ts'
import { UsageError } from './exit-codes.ts'
import type { MessageFormat } from './value-format.ts'

/** Known without any file. */
const WELL_KNOWN: readonly string[] = [
  'any',
  'duration',
  'empty',
  'field_mask',
  'struct',
  'timestamp',
  'wrappers',
].map((name) => `google/protobuf/${name}.proto`)

/** Message types from .proto files or descriptor sets (`protoc -o`, `buf build -o`), read at run time. */
export class MessageTypes {
  readonly #roots: readonly Root[]

  private constructor(roots: readonly Root[]) {
    this.#roots = roots
  }

  /**
   * Reads files: `.proto` as source, whose imports are looked for in `folders` and beside the file, everything else as
   * a descriptor set.
   * @throws UsageError when a file cannot be read or understood
   */
  static async load(files: readonly string[], folders: readonly string[]): Promise<MessageTypes> {
    const sources = files.filter((file) => extname(file) === '.proto')
    const sets = files.filter((file) => extname(file) !== '.proto')
    const roots = await Promise.all(sets.map(loadDescriptorSet))
    // Also without a file: google.protobuf.Struct and the like are known.
    if (sources.length > 0 || sets.length === 0) roots.unshift(await loadSources(sources, folders))
    return new MessageTypes(roots)
  }

  /** A type by its full name; without one the only type that there is. @throws UsageError */
  find(name: string | undefined): MessageFormat {
    if (name === undefined) return this.#only()
    for (const root of this.#roots) {
      try {
        return formatOf(root.lookupType(name.replace(/^\.?/u, '.')))
      } catch (error) {
        // lookupType throws for names that are none; another file may have it.
        if (!(error instanceof Error)) throw error
      }
    }
    throw new UsageError(`there is no message type ${JSON.stringify(name)}`, {
      hint: `known: ${listed(this.#names())}`,
    })
  }

  #only(): MessageFormat {
    const names = this.#names()
    if (names.length === 1) return this.find(names[0])
    throw new UsageError(
      names.length === 0 ? 'the --proto files hold no message type' : '--type is missing',
      { hint: `--type takes one of ${listed(names)}` },
    )
  }

  #names(): string[] {
    return this.#roots.flatMap((root) => typesIn(root)).sort()
  }
}

async function loadSources(files: readonly string[], folders: readonly string[]): Promise<Root> {
  const root = new protobuf.Root()
  const resolvePath = root.resolvePath.bind(root)
  // protobufjs brings descriptor.proto and others along, for files with options of their own.
  const bundled = dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'))
  root.resolvePath = (origin, target) => {
    const beside = resolvePath(origin, target)
    if (beside !== null && (isAbsolute(target) || existsSync(beside))) return beside
    const found = [...folders, bundled].map((folder) => resolve(folder, target)).find(existsSync)
    return found ?? beside
  }
  try {
    await root.load([...WELL_KNOWN, ...files.map((file) => resolve(file))])
    root.resolveAll()
    return root
  } catch (cause) {
    throw new UsageError(`--proto: ${describeError(cause)}`, {
      cause,
      hint: 'imports are looked for beside the file and in the folders of -I',
    })
  }
}

async function loadDescriptorSet(file: string): Promise<Root> {
  try {
    const bytes = await readFile(file)
    const root = protobuf.Root.fromDescriptor(bytes)
    root.resolveAll()
    return root
  } catch (cause) {
    throw new UsageError(`--proto: ${file} is no descriptor set: ${describeError(cause)}`, {
      cause,
      hint: 'name source files .proto; `protoc -o set.bin --include_imports` and `buf build -o set.bin` write descriptor sets',
    })
  }
}

function typesIn(namespace: Namespace): string[] {
  return namespace.nestedArray.flatMap((object) => {
    const name = object.fullName.replace(/^\./u, '')
    if (name === 'google.protobuf') return []
    const inner = object instanceof protobuf.Namespace ? typesIn(object) : []
    return object instanceof protobuf.Type ? [name, ...inner] : inner
  })
}

function formatOf(type: Type): MessageFormat {
  return {
    typeName: type.fullName.replace(/^\./u, ''),
    decode: (bytes) => protojson.toJson(type, type.decode(bytes)) as unknown,
    encode: (json) => type.encode(protojson.fromJson(type, json)).finish(),
  }
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, 20).join(', ')
  return names.length === 0 ? 'none' : names.length > 20 ? `${shown}, …` : shown
}
