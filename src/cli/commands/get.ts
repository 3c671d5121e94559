import type { CommandSpec } from '../command.ts'
import { EXIT } from '../exit-codes.ts'
import { addValueOptions, valueFormats } from '../value-options.ts'
import type { ValueOptions } from '../value-options.ts'

interface GetOptions extends ValueOptions {
  readonly raw?: boolean
}

/** `datasync get <url> <key>` */
export const get: CommandSpec<GetOptions> = {
  name: 'get',
  summary: 'show one value; exit code 3 when there is no such key',
  declare: (command) => {
    command
      .argument('<url>', 'the store')
      .argument('<key>', 'the key')
      .option('--raw', 'only the bytes of the value, as they are stored')
    addValueOptions(command)
  },
  examples: [
    ['get redis://127.0.0.1:6379 /config/interfaces/eth0', 'value, version and revision'],
    [
      'get lmdb:./store /config/interfaces/eth0 --proto network.proto --type examples.Interface',
      'the message as JSON',
    ],
    ['get lmdb:./store /blob --raw > blob.bin', 'the bytes into a file'],
  ],
  async run(session, [url = '', key = ''], options) {
    const formatOf = await valueFormats(options)
    const agent = await session.agent(url)
    const pair = await session.during(`get ${key}`, agent.get(key))
    const { output, notes } = session
    if (pair === undefined) {
      notes.line(`there is no key ${JSON.stringify(key)}`)
      return EXIT.notFound
    }
    const { bytes, version, revision } = pair
    if (options.raw === true) await output.bytes(bytes)
    else if (output.json)
      output.record({
        key,
        ...formatOf(key).toJson(bytes),
        version,
        ...(revision > 0 && { revision }),
      })
    else {
      output.line(formatOf(key).toText(bytes))
      output.line(output.colors.dim(`version ${version}  ${bytes.length} bytes`))
    }
    return EXIT.ok
  },
}
