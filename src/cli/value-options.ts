import { Option } from 'commander'
import type { Command } from 'commander'
import { hasPrefix } from '../api/key.ts'
import { collect } from './arguments.ts'
import { UsageError } from './exit-codes.ts'
import { bytesFormat, ENCODINGS, messageFormat } from './value-format.ts'
import type { Encoding, MessageFormat, ValueFormat } from './value-format.ts'

/** Options that say what values are. */
export interface TypeOptions {
  readonly proto?: readonly string[]
  readonly protoPath?: readonly string[]
  readonly type?: readonly string[]
}

export interface ValueOptions extends TypeOptions {
  readonly format?: Encoding
}

export function addTypeOptions(command: Command): Command {
  return command
    .option(
      '--type <name>',
      'message type of the values: pkg.Msg, or prefix=pkg.Msg for keys under a prefix; may be repeated',
      collect,
    )
    .option(
      '--proto <file>',
      '.proto source or descriptor set that defines it; may be repeated',
      collect,
    )
    .option('-I, --proto-path <folder>', 'where imports are looked for; may be repeated', collect)
}

export function addValueOptions(command: Command): Command {
  return addTypeOptions(command).addOption(
    new Option(
      '--format <how>',
      'how bytes are shown without --type; auto: text, where it is UTF-8, else base64 in JSON and hex for people',
    )
      .choices([...ENCODINGS])
      .default('auto'),
  )
}

/** The format for the value of each key. */
export type FormatOf = (key: string) => ValueFormat

/** @throws UsageError for unknown types and unreadable files */
export async function valueFormats(options: ValueOptions): Promise<FormatOf> {
  const plain = bytesFormat(options.format ?? 'auto')
  const types = await messageTypes(options)
  const formats = types.map(([prefix, type]) => [prefix, messageFormat(type)] as const)
  return (key) => formats.find(([prefix]) => hasPrefix(key, prefix))?.[1] ?? plain
}

/** The message type of one key's value; undefined where it is bytes. @throws UsageError */
export async function messageTypeOf(
  key: string,
  options: TypeOptions,
): Promise<MessageFormat | undefined> {
  return (await messageTypes(options)).find(([prefix]) => hasPrefix(key, prefix))?.[1]
}

/** Longest prefix first. @throws UsageError */
export async function messageTypes({
  type = [],
  proto = [],
  protoPath = [],
}: TypeOptions): Promise<(readonly [prefix: string, type: MessageFormat])[]> {
  if (type.length === 0 && proto.length === 0) {
    if (protoPath.length > 0) throw new UsageError('-I needs --proto')
    return []
  }
  const { MessageTypes } = await import('./message-types.ts')
  const known = await MessageTypes.load(proto, protoPath)
  const wanted = type.length === 0 ? [undefined] : type
  return wanted
    .map((entry) => {
      const equals = entry?.lastIndexOf('=') ?? -1
      const prefix = equals === -1 ? '' : (entry ?? '').slice(0, equals)
      return [prefix, known.find(entry?.slice(equals + 1))] as const
    })
    .sort(([a], [b]) => b.length - a.length)
}
