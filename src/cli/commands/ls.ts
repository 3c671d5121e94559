import type { KeyVal } from '../../api/change-event.ts'
import type { CommandSpec } from '../command.ts'
import type { Output } from '../output.ts'
import { clipped, printable } from '../../kit/printable.ts'
import { addValueOptions, valueFormats } from '../value-options.ts'
import type { FormatOf, ValueOptions } from '../value-options.ts'

interface LsOptions extends ValueOptions {
  readonly values?: boolean
  readonly count?: boolean
}

/** `datasync ls <url> [prefix]` */
export const ls: CommandSpec<LsOptions> = {
  name: 'ls',
  summary: 'list the keys under a prefix, ascending',
  declare: (command) => {
    command
      .argument('<url>', 'the store')
      .argument('[prefix]', "the beginning of the keys; '' for all", '')
      .option('--values', 'values, too')
      .option('--count', 'only how many there are')
    addValueOptions(command)
  },
  examples: [
    ['ls redis://127.0.0.1:6379 /config/', 'the keys'],
    ['ls lmdb:./store /config/ --values', 'keys and values'],
    ['ls redis://127.0.0.1:6379 --count', 'how many keys there are'],
  ],
  async run(session, [url = '', prefix = ''], options) {
    const formatOf = await valueFormats(options)
    const agent = await session.agent(url)
    const { output } = session
    const list = async (): Promise<void> => {
      let count = 0
      for await (const pair of agent.list(prefix)) {
        session.signal.throwIfAborted()
        count++
        if (options.count === true) continue
        const room =
          options.values === true ? showPair(output, pair, formatOf) : showKey(output, pair)
        if (!room) await output.drained()
      }
      if (options.count !== true) return
      if (output.json) output.record({ prefix, count })
      else output.line(String(count))
    }
    await session.during(`ls ${prefix}`, list())
  },
}

function showKey(output: Output, { key }: KeyVal): boolean {
  return output.json ? output.record({ key }) : output.line(printable(key))
}

function showPair(output: Output, pair: KeyVal, formatOf: FormatOf): boolean {
  const { key, bytes, version, revision } = pair
  const format = formatOf(key)
  if (output.json)
    return output.record({
      key,
      ...format.toJson(bytes),
      version,
      ...(revision > 0 && { revision }),
    })
  const shown = printable(key)
  const value = format.toLine(bytes)
  const room = output.columns === undefined ? Infinity : output.columns - shown.length - 2
  return output.line(`${output.colors.bold(shown)}  ${clipped(value, room)}`)
}
