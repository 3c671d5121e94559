import type { DelOptions } from '../../api/writer.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../exit-codes.ts'
import type { Session } from '../session.ts'

interface DelCommandOptions {
  readonly prefix?: boolean
  readonly ifVersion?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
}

/** `datasync del <url> <key>` */
export const del: CommandSpec<DelCommandOptions> = {
  name: 'del',
  summary: 'delete one key, or all under a prefix; prints how many there were',
  declare: (command) =>
    command
      .argument('<url>', 'the store')
      .argument('<key>', 'the key, or with --prefix the beginning of the keys')
      .option('--prefix', 'every key that begins with it')
      .option('--if-version <version>', 'only when the key is at this version; exit code 4 if not')
      .option('--dry-run', 'only count what would be deleted')
      .option('--yes', "really everything: needed with --prefix ''"),
  examples: [
    ['del lmdb:./store /greeting', 'one key; 0 deleted is no error'],
    ['del redis://127.0.0.1:6379 /config/old/ --prefix --dry-run', 'how many would go'],
    ['del redis://127.0.0.1:6379 /config/old/ --prefix', 'they go'],
  ],
  async run(session, [url = '', key = ''], options) {
    if (options.prefix === true && options.ifVersion !== undefined) {
      throw new UsageError('--prefix and --if-version exclude each other')
    }
    const dryRun = options.dryRun === true
    if (options.prefix === true && key === '' && options.yes !== true && !dryRun) {
      throw new UsageError("--prefix '' deletes every key of the store", {
        hint: 'add --yes if that is meant, or --dry-run to count them',
      })
    }
    const deleted = dryRun
      ? await count(session, url, key, options.prefix === true)
      : await remove(session, url, key, options)
    const { output } = session
    if (output.json) output.record({ key, prefix: options.prefix === true, dryRun, deleted })
    else output.line(`${dryRun ? 'would delete' : 'deleted'} ${deleted ?? 'an unknown number'}`)
  },
}

async function remove(
  session: Session,
  url: string,
  key: string,
  { prefix, ifVersion }: DelCommandOptions,
): Promise<number | undefined> {
  const agent = await session.agent(url, { write: true })
  const timeoutMs = session.timeoutMs()
  const options: DelOptions = {
    ...(prefix === undefined ? {} : { prefix }),
    ...(ifVersion === undefined ? {} : { ifVersion }),
    ...(timeoutMs === 0 ? {} : { timeoutMs }),
  }
  const { deleted } = await session.during(`del ${key}`, agent.delete(key, options))
  return deleted
}

async function count(session: Session, url: string, key: string, prefix: boolean): Promise<number> {
  const agent = await session.agent(url)
  const counted = async (): Promise<number> => {
    if (!prefix) return (await agent.get(key)) === undefined ? 0 : 1
    let keys = 0
    for await (const _pair of agent.list(key)) keys++
    return keys
  }
  return session.during(`counting under ${key}`, counted())
}
