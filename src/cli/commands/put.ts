import { readFile } from 'node:fs/promises'
import { describeError } from '../../api/errors.ts'
import { raw } from '../../api/message.ts'
import type { PutOptions } from '../../api/writer.ts'
import { parsePositiveDuration } from '../arguments.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../exit-codes.ts'
import { printable, utf8Of } from '../../kit/printable.ts'
import type { Session } from '../session.ts'
import { bytesOfHex } from '../value-format.ts'
import { addTypeOptions, messageTypeOf } from '../value-options.ts'
import type { TypeOptions } from '../value-options.ts'

interface PutCommandOptions extends TypeOptions {
  readonly file?: string
  readonly hex?: boolean
  readonly ttl?: number
  readonly ifVersion?: string
  readonly ifAbsent?: boolean
}

/** `datasync put <url> <key> [value|-]` */
export const put: CommandSpec<PutCommandOptions> = {
  name: 'put',
  summary: 'write one value',
  declare: (command) => {
    command
      .argument('<url>', 'the store')
      .argument('<key>', 'the key')
      .argument('[value]', 'JSON of the message with --type, else text as it is; - reads stdin')
      .option('--file <path>', 'the value is in a file')
      .option('--hex', 'the value is written in hex digits')
      .option('--ttl <duration>', 'the key vanishes after this time: 30s', parsePositiveDuration)
      .option('--if-version <version>', 'only when the key is at this version; exit code 4 if not')
      .option('--if-absent', 'only when there is no such key; exit code 4 if there is')
    addTypeOptions(command)
  },
  examples: [
    ["put lmdb:./store /greeting 'hello'", 'text'],
    [
      `put redis://127.0.0.1:6379 /config/interfaces/eth0 '{"mtu":1500}' --proto network.proto --type examples.Interface`,
      'a message, given as JSON',
    ],
    ['put redis://127.0.0.1:6379 /lock/a me --if-absent --ttl 30s', 'only one of many gets it'],
    ['put redis://127.0.0.1:6379 /blob - < blob.bin', 'bytes from stdin'],
  ],
  notes: 'A value that begins with - stands behind --: datasync put lmdb:./store /n -- -1',
  async run(session, [url = '', key = '', value], options) {
    const bytes = await readValue(session, key, value, options)
    const agent = await session.agent(url, { write: true, create: true })
    const written = agent.put(key, raw(bytes), putOptions(session, options))
    const { version } = await session.during(`put ${key}`, written)
    const { output } = session
    if (output.json) output.record({ key, version, bytes: bytes.length })
    else output.line(`stored ${output.colors.bold(printable(key))}  version ${version}`)
  },
}

function putOptions(session: Session, { ttl, ifVersion, ifAbsent }: PutCommandOptions): PutOptions {
  const timeoutMs = session.timeoutMs()
  return {
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
    ...(ifVersion === undefined ? {} : { ifVersion }),
    ...(ifAbsent === undefined ? {} : { ifAbsent }),
    ...(timeoutMs === 0 ? {} : { timeoutMs }),
  }
}

async function readValue(
  session: Session,
  key: string,
  value: string | undefined,
  options: PutCommandOptions,
): Promise<Uint8Array> {
  const given = await readGiven(session, value, options.file)
  const type = await messageTypeOf(key, options)
  if (options.hex === true) {
    if (type !== undefined) throw new UsageError('--hex and --type exclude each other')
    const bytes = bytesOfHex(utf8Of(given) ?? '?')
    if (bytes === undefined)
      throw new UsageError('--hex: the value has other than pairs of hex digits')
    return bytes
  }
  if (type === undefined) return given
  try {
    return type.encode(JSON.parse(Buffer.from(given).toString()))
  } catch (cause) {
    throw new UsageError(`the value is no ${type.typeName} in JSON: ${describeError(cause)}`, {
      cause,
    })
  }
}

async function readGiven(
  session: Session,
  value: string | undefined,
  file: string | undefined,
): Promise<Uint8Array> {
  if (value !== undefined && file !== undefined) {
    throw new UsageError('the value is given twice: as an argument and with --file')
  }
  if (file !== undefined) {
    return readFile(file).catch((cause: unknown) => {
      throw new UsageError(`--file: ${describeError(cause)}`, { cause })
    })
  }
  if (value === undefined) {
    throw new UsageError('the value is missing', {
      hint: "give it as an argument ('' is empty), with --file, or - for stdin",
    })
  }
  return value === '-' ? session.readStdin() : Buffer.from(value)
}
