import type { CommandSpec } from '../command.ts'
import { addValueOptions, valueFormats } from '../value-options.ts'
import type { ValueOptions } from '../value-options.ts'
import { StatusLine } from '../status-line.ts'
import { WatchPrinter } from '../watch-printer.ts'

interface WatchCommandOptions extends ValueOptions {
  readonly latest?: boolean
  readonly values?: boolean
}

/** `datasync watch <url> <prefix…>` */
export const watch: CommandSpec<WatchCommandOptions> = {
  name: 'watch',
  summary: 'show the state under prefixes, then every change, until Ctrl-C',
  declare: (command) => {
    command
      .argument('<url>', 'the store')
      .argument('<prefix...>', "beginnings of keys; '' for all")
      .option(
        '--latest',
        'of several changes of a key only the newest, when they come faster than they are read',
      )
      .option('--no-values', 'keys only')
    addValueOptions(command)
  },
  examples: [
    ['watch redis://127.0.0.1:6379 /config/', 'the state, then changes with their previous values'],
    [
      'watch redis://127.0.0.1:6379 /config/interfaces/ --proto network.proto --type examples.Interface',
      'messages as JSON',
    ],
    [
      "watch redis+cluster://10.0.0.1:6379,10.0.0.2:6379 '' --json | jq -r 'select(.event==\"put\").key'",
      'lines of JSON for another program',
    ],
    [
      'watch env:REDIS_URL /config/ --timeout 10s',
      'exit code 6 when there is no state within 10 s',
    ],
  ],
  notes: `Lines of JSON, told apart by "event": resync (reason, prefix, pairs), pair (one per pair of it), resynced
(all prefixes are told), put and delete (with prev). Status goes to stderr. Ctrl-C ends it with exit code 0.`,
  endless: () => true,
  async run(session, [url = '', ...given], options) {
    const formatOf = await valueFormats(options)
    const agent = await session.agent(url, { watch: true })
    const registration = agent.watch('datasync watch', given as string[], {
      delivery: options.latest === true ? 'latest' : 'all',
      // A slow reader of our output is waited for.
      doneTimeoutMs: { change: 0, resync: 0 },
    })
    const printer = new WatchPrinter(session, formatOf, options.values !== false)
    const status = new StatusLine(session.notes, agent)
    session.onClose(async () => status.stop())
    const first = new Promise<void>((resolve) => {
      registration.handle({
        resync: async (event) => {
          resolve()
          status.clear()
          await printer.resync(event)
        },
        change: (event) => printer.change(event),
      })
    })
    status.follow(registration)
    const started = agent.start()
    await session.during(
      'waiting for the first RESYNC',
      Promise.race([first, started.then(() => first)]),
      session.timeoutMs(),
      () => agent.listing,
    )
    await session.during('watch', Promise.all([started, session.ended()]), 0)
  },
}
