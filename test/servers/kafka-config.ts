import type { RedisCertificates } from './redis-certificates.ts'

/** One more way in, besides the plain one that every server has. */
export interface KafkaListener {
  /** Capital letters. */
  readonly name: string
  readonly protocol: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
  readonly port: number
  /** What clients are told; `port`. A link's port, to have them come through the link. */
  readonly advertisedPort?: number
}

/** Every field is optional. */
export interface KafkaOptions {
  readonly listeners?: readonly KafkaListener[]
  /** For listeners with SASL: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
  readonly users?: Readonly<Record<string, string>>
  /** For listeners with SSL. */
  readonly certificates?: RedisCertificates
  /** Overrides of server.properties. */
  readonly config?: Readonly<Record<string, string>>
}

/** One server of one or several. */
export interface KafkaNode {
  readonly id: number
  readonly port: number
  readonly controllerPort: number
  readonly dataDir: string
  /** `id@host:port` of all. */
  readonly voters: readonly string[]
  /** Path of a file with key and certificate. */
  readonly keyStore: string | undefined
}

/** server.properties: KRaft, broker and controller in one process, on 127.0.0.1. */
export function kafkaConfig(node: KafkaNode, options: KafkaOptions): string {
  const { listeners = [], users = {}, config = {} } = options
  const copies = String(Math.min(3, node.voters.length))
  const at = (name: string, port: number): string => `${name}://127.0.0.1:${port}`
  const settings: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': String(node.id),
    'controller.quorum.voters': node.voters.join(','),
    listeners: [
      at('PLAIN', node.port),
      at('CONTROLLER', node.controllerPort),
      ...listeners.map(({ name, port }) => at(name, port)),
    ].join(','),
    'advertised.listeners': [
      at('PLAIN', node.port),
      ...listeners.map(({ name, port, advertisedPort }) => at(name, advertisedPort ?? port)),
    ].join(','),
    'listener.security.protocol.map': [
      'PLAIN:PLAINTEXT',
      'CONTROLLER:PLAINTEXT',
      ...listeners.map(({ name, protocol }) => `${name}:${protocol}`),
    ].join(','),
    'inter.broker.listener.name': 'PLAIN',
    'controller.listener.names': 'CONTROLLER',
    'log.dirs': node.dataDir,
    'offsets.topic.num.partitions': '1',
    'offsets.topic.replication.factor': copies,
    'transaction.state.log.num.partitions': '1',
    'transaction.state.log.replication.factor': copies,
    'transaction.state.log.min.isr': '1',
    'share.coordinator.state.topic.replication.factor': copies,
    'share.coordinator.state.topic.num.partitions': '1',
    'num.network.threads': '1',
    'num.io.threads': '2',
    'background.threads': '2',
    'log.cleaner.dedupe.buffer.size': '4000000',
    'auto.create.topics.enable': 'false',
    ...security(node, options, users),
    ...config,
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}

function security(
  node: KafkaNode,
  { listeners = [] }: KafkaOptions,
  users: Readonly<Record<string, string>>,
): Record<string, string> {
  const settings: Record<string, string> = {}
  if (node.keyStore !== undefined) {
    settings['ssl.keystore.type'] = 'PEM'
    settings['ssl.keystore.location'] = node.keyStore
  }
  const login = (module: string, more: string): string =>
    `org.apache.kafka.common.security.${module} required ${more};`
  const accounts = Object.entries(users).map(([name, secret]) => `user_${name}="${secret}"`)
  for (const { name, protocol } of listeners) {
    if (!protocol.startsWith('SASL')) continue
    const of = `listener.name.${name.toLowerCase()}`
    settings[`${of}.sasl.enabled.mechanisms`] = 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512'
    settings[`${of}.plain.sasl.jaas.config`] = login('plain.PlainLoginModule', accounts.join(' '))
    for (const mechanism of ['scram-sha-256', 'scram-sha-512']) {
      settings[`${of}.${mechanism}.sasl.jaas.config`] = login('scram.ScramLoginModule', '')
    }
  }
  return settings
}

/** What StorageTool has to be told of users. */
export function scramArguments(users: Readonly<Record<string, string>> = {}): string[] {
  return Object.entries(users).flatMap(([name, secret]) =>
    ['SCRAM-SHA-256', 'SCRAM-SHA-512'].flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${secret}]`,
    ]),
  )
}
