import { parseDuration } from '../arguments.ts'
import type { CommandSpec } from '../command.ts'
import type { MirrorRunOptions } from '../mirror/mirror-run.ts'

/** `datasync mirror <source-url> <target-url> <prefix…>` */
export const mirror: CommandSpec<MirrorRunOptions> = {
  name: 'mirror',
  summary: 'keep a copy: make the target equal to the source under prefixes, until Ctrl-C',
  declare: (command) =>
    command
      .argument('<source-url>', 'is only read')
      .argument(
        '<target-url>',
        'is written; keys under the prefixes that the source lacks are deleted',
      )
      .argument('<prefix...>', "beginnings of keys; '' for all")
      .option('--once', 'end when the target is equal to the source')
      .option('--dry-run', 'only show what --once would write')
      .option('--strip-prefix <text>', "taken off the source's keys", '')
      .option('--add-prefix <text>', "put before the target's keys", '')
      .option(
        '--verify <duration>',
        'how often everything is compared without a reason; 0 never (default: 5m)',
        parseDuration,
      )
      .option('--no-watch-target', 'do not look for changes that others make to the target'),
  examples: [
    ['mirror redis://prod:6379 lmdb:./copy /config/', 'a local copy that follows'],
    ['mirror redis://a:6379 redis://b:6379 /config/ /routes/ --once', 'copy and end'],
    ['mirror redis://a:6379 redis://b:6379 /config/ --dry-run', 'what would change'],
    [
      'mirror redis://a:6379 redis://b:6379 /config/ --strip-prefix /config/ --add-prefix /copies/a/',
      '/config/x becomes /copies/a/x',
    ],
  ],
  notes: `The target belongs to the mirror under the prefixes: what others write there is written over. Values are
copied, times to live are not: a key that expires in the source is deleted in the target. After every failed
write everything is compared again. --tls-… and --set go to both sides, --set source.name=value to one.`,
  endless: ({ once, dryRun }) => once !== true && dryRun !== true,
  async run(session, [sourceUrl = '', targetUrl = '', ...prefixes], options) {
    const { MirrorRun } = await import('../mirror/mirror-run.ts')
    const run = new MirrorRun(session, options, prefixes as string[])
    await run.execute(sourceUrl, targetUrl)
  },
}
