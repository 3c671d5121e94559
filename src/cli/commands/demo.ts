import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandSpec } from '../command.ts'
import { openTransport } from '../open-transport.ts'

interface DemoOptions {
  readonly keep?: boolean
}

/** `datasync demo` */
export const demo: CommandSpec<DemoOptions> = {
  name: 'demo',
  summary: 'show what it does on a store of its own: no server, no set-up',
  declare: (command) => command.option('--keep', 'go on with a change every 2 s, until Ctrl-C'),
  examples: [
    ['demo', 'ends by itself after a few seconds'],
    ['demo --keep', 'then look at its dashboard, and watch it from another terminal'],
  ],
  endless: ({ keep }) => keep === true,
  async run(session, _args, { keep = false, json = false }) {
    const [{ Narrator }, { Story }] = await Promise.all([
      import('../demo/narrator.ts'),
      import('../demo/story.ts'),
    ])
    const folder = await mkdtemp(join(tmpdir(), 'datasync-demo-'))
    session.onClose(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
    const url = `lmdb:${join(folder, 'store')}`
    const narrator = new Narrator(session.output, json)
    const story = new Story({
      narrator,
      logger: session.logger,
      signal: session.signal,
      open: () => openTransport(session.locate(url), { watch: true, write: true, create: true }),
    })
    session.onClose(() => story.close())
    await session.during('the demo', story.tell())
    if (!keep) {
      narrator.chapter('That was it', 'datasync --help shows the other commands.')
      return
    }
    narrator.chapter(
      'It goes on',
      `The dashboard: ${story.url}/dashboard/\nIn another terminal: datasync watch ${story.url} /config/\nCtrl-C ends it.`,
    )
    await session.during('the demo', story.goOn(), 0)
  },
}
