import { Kafka, logLevel } from 'kafkajs'
import type { Cluster, KafkaConfig, RetryOptions, SASLOptions } from 'kafkajs'
import type { Io } from '../../api/transport.ts'
import { driverLog } from './driver-log.ts'
import type { ConnectionSettings } from './options.ts'
import { Sockets } from './sockets.ts'

/** Time, chance and log of the transport, without a call's signal. */
export type Ambient = Omit<Io, 'signal'>

/** The driver with sockets of its own. Nothing is contacted before `cluster.connect()`. */
export interface Client {
  readonly kafka: Kafka
  /** Reads without a group: metadata, offsets, fetch, produce. */
  readonly cluster: Cluster
  /** Ends all connections at once; requests under way fail, what is asked for later too. Idempotent. */
  end(reason: Error): Promise<void>
}

/** Reads may be repeated, on another broker if need be; writes never are. */
const READ_RETRY = { initialRetryTime: 50, multiplier: 2, maxRetryTime: 500 } as const

/** How long writes rely on what is known of the topic's partitions, in ms. */
const METADATA_MS = 30_000

/** Makes a client; the password is asked for now (W17). `silenceMs`: requests unanswered for so long fail. */
export async function newClient(
  settings: ConnectionSettings,
  io: Ambient,
  silenceMs: number,
): Promise<Client> {
  const sockets = new Sockets()
  const { brokers, tls, clientId } = settings
  const sasl = await readLogin(settings)
  const retry: RetryOptions = { ...READ_RETRY, retries: Math.max(1, brokers.length) }
  const config: KafkaConfig = {
    // Another one first each time: one that is down must not cost every attempt its time.
    brokers: rotated(brokers, Math.floor(io.random() * brokers.length)),
    clientId,
    connectionTimeout: settings.connectTimeoutMs,
    authenticationTimeout: settings.connectTimeoutMs,
    requestTimeout: silenceMs,
    retry,
    socketFactory: sockets.factory,
    logLevel: logLevel.INFO,
    logCreator: driverLog(io.logger, settings.name),
    ...(tls === undefined ? {} : { ssl: tls }),
    ...(sasl === undefined ? {} : { sasl }),
  }
  const kafka = new Kafka(config)
  const cluster = clusterOf(kafka)
  return {
    kafka,
    cluster,
    end: async (reason) => {
      sockets.destroy(reason)
      // Takes the driver's timers away; what it waits for is gone.
      await cluster.disconnect().catch(() => {})
    },
  }
}

/**
 * kafkajs' consumer reads by groups only, which costs a rebalance at every start (three seconds with a broker's default)
 * and hides the ends of partitions. An assigner, kafkajs' public point of extension, is given the cluster when the
 * consumer is made: it reads without any group. The consumer itself is never connected.
 */
function clusterOf(kafka: Kafka): Cluster {
  let found: Cluster | undefined
  kafka.consumer({
    groupId: 'never-joined',
    allowAutoTopicCreation: false,
    readUncommitted: false,
    metadataMaxAge: METADATA_MS,
    partitionAssigners: [
      ({ cluster }) => {
        found = cluster
        return {
          name: 'none',
          version: 0,
          assign: async () => [],
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        }
      },
    ],
  })
  if (found === undefined) throw new Error('kafkajs made no cluster')
  return found
}

async function readLogin(settings: ConnectionSettings): Promise<SASLOptions | undefined> {
  const { username, password, sasl: mechanism } = settings
  if (username === undefined || password === undefined) return undefined
  return { mechanism, username, password: await password() }
}

function rotated(list: readonly string[], by: number): string[] {
  return [...list.slice(by), ...list.slice(0, by)]
}
