import { checkLimits } from '../../serving/limits.ts'
import { collect, parseSetting } from '../arguments.ts'
import type { CommandSpec } from '../command.ts'
import { UsageError } from '../exit-codes.ts'
import { openTransport } from '../open-transport.ts'
import type { Output } from '../output.ts'
import { ACCESS_FILE_HELP, readAccessFile } from '../serve/access-file.ts'
import { Hub } from '../serve/hub.ts'
import type { HubAddresses } from '../serve/hub.ts'
import { parseListenAddress } from '../serve/listen-address.ts'
import type { ListenAddress } from '../serve/listen-address.ts'
import { servedModels } from '../serve/served-models.ts'
import { StatusLine } from '../status-line.ts'
import { addTypeOptions } from '../value-options.ts'
import type { TypeOptions } from '../value-options.ts'

interface ServeOptions extends TypeOptions {
  readonly upstream?: string
  readonly http?: ListenAddress
  readonly grpc?: ListenAddress
  readonly prefix?: readonly string[]
  readonly access?: string
  readonly serveCert?: string
  readonly serveKey?: string
  readonly serveCa?: string
  readonly limit?: Readonly<Record<string, unknown>>
  readonly allowEmptyResync?: boolean
  readonly dashboard?: boolean
}

const LIMIT_HELP =
  'of requests, watchers and rates, such as maxWatchers=50000; may be repeated (docs/adapters/rest.md)'

/** `datasync serve --upstream <url>` */
export const serve: CommandSpec<ServeOptions> = {
  name: 'serve',
  summary: 'serve a store to other processes over HTTP and gRPC, until Ctrl-C',
  declare: (command) => {
    command
      .requiredOption('--upstream <url>', 'the store; lmdb: and memory: are made when missing')
      .option(
        '--http <address>',
        'REST, server-sent events, dashboard and metrics on [host]:port; without a host on 127.0.0.1',
        parseListenAddress,
      )
      .option('--grpc <address>', 'gRPC on [host]:port', parseListenAddress)
      .option('--prefix <prefix>', 'serve keys under it only; may be repeated', collect)
      .option('--access <file>', 'who may do what (JSON); needed to listen to other machines')
      .option('--serve-cert <file>', 'our certificate (PEM): HTTPS and gRPC over TLS')
      .option('--serve-key <file>', 'the key of our certificate (PEM)')
      .option('--serve-ca <file>', 'authorities of client certificates (PEM)')
      .option('--limit <name=number>', LIMIT_HELP, parseSetting)
      .option(
        '--allow-empty-resync',
        'over gRPC, a dataResyncs without items deletes everything that its caller may write, instead of being refused',
      )
      .option('--no-dashboard', 'no page under /dashboard/')
    addTypeOptions(command)
  },
  examples: [
    [
      'serve --upstream lmdb:./data --http :8080',
      'an embedded store for other processes; the dashboard is at http://127.0.0.1:8080/dashboard/',
    ],
    [
      'serve --upstream etcd://10.0.0.1:2379 --prefix /config/ --http :8080 --grpc :9111',
      'one watch on etcd for any number of watchers',
    ],
    [
      'serve --upstream env:STORE --http 0.0.0.0:443 --access access.json --serve-cert hub.pem --serve-key hub.key',
      'for other machines',
    ],
  ],
  notes: `${ACCESS_FILE_HELP}

--type and --proto say which values are read and written as JSON over HTTP, and taken as JSON by dataChanges and
dataResyncs over gRPC. What is served is held in memory, once for all watchers. On a pipe one JSON line tells where it listens: {"event":"serving","http":…,"grpc":…}.`,
  endless: () => true,
  async run(session, _args, options) {
    const { upstream = '', http, grpc, prefix = [''], access } = options
    if (http === undefined && grpc === undefined) {
      throw new UsageError('nothing to serve on', {
        hint: 'give --http :8080, --grpc :9111 or both',
      })
    }
    const grants =
      access === undefined
        ? undefined
        : await readAccessFile(access, (text) => session.secret(text))
    const { serveCert: cert, serveKey: key, serveCa: ca } = options
    if (ca === undefined && grants?.some(({ certificate }) => certificate !== undefined) === true) {
      throw new UsageError('--access: a grant with a certificate lets nobody in without --serve-ca')
    }
    checkLimits(options.limit ?? {})
    const hub = new Hub({
      upstream: await openTransport(session.locate(upstream), {
        watch: true,
        write: true,
        create: true,
      }),
      http,
      grpc,
      prefixes: prefix,
      access: grants,
      tls: { cert, key, ca },
      models: await servedModels(options),
      limits: options.limit ?? {},
      allowEmptyResync: options.allowEmptyResync === true,
      dashboard: options.dashboard !== false,
      logger: session.logger,
    })
    session.onClose(() => hub.close())
    const addresses = await session.during('opening the store', hub.start())
    const status = new StatusLine(session.notes, hub.agent)
    session.onClose(async () => status.stop())
    status.follow()
    tell(session.output, addresses, options.dashboard !== false)
    await session.during('serve', session.ended(), 0)
  },
}

function tell(output: Output, { http, grpc }: HubAddresses, dashboard: boolean): void {
  if (output.json) {
    output.record({ event: 'serving', http, grpc })
    return
  }
  const { bold } = output.colors
  if (http !== undefined) {
    output.line(`${bold('http')}  ${http}/v1/${dashboard ? `  dashboard ${http}/dashboard/` : ''}`)
  }
  if (grpc !== undefined) output.line(`${bold('grpc')}  ${grpc}`)
}
