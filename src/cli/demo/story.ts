import { Agent } from '../../agent/agent.ts'
import type { Logger } from '../../api/logger.ts'
import type { Message } from '../../api/message.ts'
import type { Plugin } from '../../api/plugin.ts'
import type { RestServer } from '../../adapters/rest/server/index.ts'
import type { Transport } from '../../api/transport.ts'
import type { RunReport } from '../../api/run-report.ts'
import { ConfigPlugin } from './config-plugin.ts'
import { demoModels } from './models.ts'
import type { DemoModel, DemoModels } from './models.ts'
import type { Narrator } from './narrator.ts'
import type { OperatorAnswer, OperatorOrder, OperatorRequest } from './operator-messages.ts'
import { OperatorProcess } from './operator-process.ts'

const SMALLEST_MTU = 68
const TICK_MS = 2_000

export interface StoryOptions {
  readonly narrator: Narrator
  readonly logger: Logger
  /** A new transport on the same store at every call. */
  readonly open: () => Promise<Transport>
  /** Ends the story early. */
  readonly signal: AbortSignal
}

/** What the demo shows, chapter by chapter. */
export class Story {
  readonly #options: StoryOptions
  readonly #models: DemoModels = demoModels()
  #agent: Agent | undefined
  #operator: OperatorProcess | undefined
  #server: RestServer | undefined
  #port = 0
  #telling: Promise<void> | undefined

  constructor(options: StoryOptions) {
    this.#options = options
  }

  /** Tells everything; afterwards the agent is still running. */
  tell(): Promise<void> {
    const telling = this.#tell()
    this.#telling = telling.catch(() => {}) // the caller has it
    return telling
  }

  async #tell(): Promise<void> {
    const chapters = [
      () => this.#fill(),
      () => this.#start(),
      () => this.#changes(),
      () => this.#refusal(),
      () => this.#restart(),
    ]
    for (const chapter of chapters) {
      await chapter()
      this.#options.signal.throwIfAborted()
    }
  }

  /** Changes every two seconds, until the signal. */
  async goOn(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      await this.#order('tick')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, TICK_MS)
        signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
      })
    }
  }

  /** Also in the middle of a chapter. */
  async close(): Promise<void> {
    await this.#operator?.close()
    await this.#closeAgent()
    // It may have opened another agent meanwhile.
    await this.#telling
    await this.#closeAgent()
  }

  /** Where REST and the dashboard are. */
  get url(): string | undefined {
    return this.#server?.url
  }

  async #closeAgent(): Promise<void> {
    await this.#server?.close()
    await this.#agent?.close()
  }

  async #serve(agent: Agent): Promise<RestServer> {
    const [{ serveRest }, { dashboard }] = await Promise.all([
      import('../../adapters/rest/server/index.ts'),
      import('../../dashboard/index.ts'),
    ])
    const models = Object.values(this.#models).map(({ items }) => items)
    this.#server = await serveRest(agent, {
      port: this.#port,
      models,
      mount: [{ path: '/dashboard', router: dashboard(agent, { title: 'datasync demo', models }) }],
    })
    // After a restart it is where it was.
    this.#port = this.#server.port
    return this.#server
  }

  async #fill(): Promise<void> {
    const { narrator } = this.#options
    narrator.chapter(
      '1. A store in this process',
      'LMDB in a folder: no server. One transaction puts five items into it, all or nothing.',
    )
    const { interfaces, routes, accessLists } = this.#models
    const agent = await this.#newAgent()
    const { versions } = await agent
      .txn()
      .put(...item(interfaces, 'eth0', { enabled: true, addresses: ['10.0.0.1/24'], mtu: 1500 }))
      .put(...item(interfaces, 'eth1', { enabled: true, addresses: ['10.0.1.1/24'], mtu: 1500 }))
      .put(...item(routes, 'default', route('0.0.0.0/0', '10.0.0.254', 'eth0')))
      .put(...item(accessLists, 'guests', { rules: [{ permit: false, network: '10.0.1.0/24' }] }))
      .put(...item(accessLists, 'staff', { rules: [{ permit: true, network: '10.0.0.0/24' }] }))
      .commit()
    narrator.says('agent', `${versions.size} items stored`)
  }

  async #start(): Promise<void> {
    this.#options.narrator.chapter(
      '2. RESYNC: every plugin gets the whole state, in order',
      'Routes need interfaces, access lists need both: each waits until the one before has said done.',
    )
    await this.#startServed(this.#agent as Agent)
  }

  /** Served first: the dashboard shows the runs that it has seen. */
  async #startServed(agent: Agent): Promise<void> {
    const { url } = await this.#serve(agent)
    this.#report(await agent.start())
    this.#options.narrator.says('agent', `REST at ${url}/v1/, dashboard at ${url}/dashboard/`)
  }

  async #changes(): Promise<void> {
    const { narrator } = this.#options
    const operator = new OperatorProcess({
      asks: (request) => this.#asks(request),
      answered: (answer) => this.#answered(answer),
    })
    this.#operator = operator
    narrator.chapter(
      `3. CHANGEs from another process (pid ${operator.pid})`,
      'It knows HTTP and JSON only: the store has one owner. Each plugin gets its own change, with the previous value.',
    )
    await this.#order('changes')
  }

  async #refusal(): Promise<void> {
    const { narrator } = this.#options
    narrator.chapter(
      '4. A refusal',
      'A plugin that cannot apply a change says so. It is told the whole state again, after a pause.',
    )
    const agent = this.#agent as Agent
    const recovered = this.#acknowledged(agent, 'refused')
    await this.#order('impossible')
    await recovered
    narrator.says(
      'agent',
      'the plugin has the whole state again; the mistake is mended at its source',
    )
    await this.#order('correction')
  }

  async #restart(): Promise<void> {
    const { narrator } = this.#options
    narrator.chapter(
      '5. A restart',
      'The agent closes and a new one opens the same folder: nothing is lost, and again RESYNC in order.',
    )
    await this.#closeAgent()
    narrator.says('agent', 'closed: the store is free')
    await this.#startServed(await this.#newAgent())
  }

  async #newAgent(): Promise<Agent> {
    const { open, logger } = this.#options
    this.#agent = new Agent({ transport: await open(), logger, plugins: this.#plugins() })
    return this.#agent
  }

  #plugins(): Plugin[] {
    const { narrator } = this.#options
    const { interfaces, routes, accessLists } = this.#models
    return [
      new ConfigPlugin({
        name: 'interfaces',
        model: interfaces,
        narrator,
        describe: ({ mtu, addresses }) => `mtu ${mtu}, ${addresses.join(' ')}`,
        problem: ({ mtu }) =>
          mtu < SMALLEST_MTU ? `mtu ${mtu} is below ${SMALLEST_MTU}` : undefined,
      }),
      new ConfigPlugin({
        name: 'routes',
        model: routes,
        narrator,
        describe: ({ network, nextHop, interface: out }) => `${network} by ${nextHop} on ${out}`,
      }),
      new ConfigPlugin({
        name: 'access-lists',
        model: accessLists,
        narrator,
        describe: ({ rules }) =>
          rules.map(({ permit, network }) => `${permit ? 'permit' : 'deny'} ${network}`).join(', '),
      }),
    ]
  }

  async #order(step: OperatorOrder['step']): Promise<void> {
    const url = this.#server?.url
    if (url !== undefined) await this.#operator?.carryOut({ step, url })
  }

  #asks({ key, json }: OperatorRequest): void {
    const method = json === undefined ? 'DELETE' : 'PUT'
    const body = json === undefined ? '' : `  ${JSON.stringify(json)}`
    this.#options.narrator.says('operator', `${method} ${key}${body}`)
  }

  #answered({ status, detail }: OperatorAnswer): void {
    const { narrator } = this.#options
    narrator.says(
      'operator',
      status === 200
        ? narrator.good(`${status}: every plugin has applied it`)
        : narrator.bad(`${status}: ${detail ?? 'not applied'}`),
    )
  }

  /** Resolves when a RESYNC for this reason has been acknowledged. */
  #acknowledged(agent: Agent, reason: string): Promise<void> {
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        const done = agent
          .health()
          .registrations.some(
            ({ lastResync }) => lastResync?.reason === reason && lastResync.outcome === 'acked',
          )
        if (!done && !this.#options.signal.aborted) return
        clearInterval(timer)
        resolve()
      }, 10)
    })
  }

  #report({ durationMs, turns }: RunReport): void {
    const { narrator } = this.#options
    const list = turns.map(({ name, outcome, pairs }) => `${name} ${pairs} ${outcome}`).join(', ')
    narrator.says('agent', narrator.good(`in step after ${Math.round(durationMs)} ms: ${list}`))
  }
}

function item<T>({ items, codec }: DemoModel<T>, name: string, value: T): [string, Message] {
  return [items.key(name), codec.message(value)]
}

function route(
  network: string,
  nextHop: string,
  out: string,
): { network: string; nextHop: string; interface: string } {
  return { network, nextHop, interface: out }
}
