import { endpointName, invalidUrl, parseEndpoint, readServerUrl } from '../../kit/server-url.ts'
import type { Endpoint, UrlForm } from '../../kit/server-url.ts'

/** What an URL says; what it does not say is undefined. */
export interface KafkaUrl {
  /** `host:port` */
  readonly brokers: readonly string[]
  readonly topic: string | undefined
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
}

const FORM: UrlForm = {
  shape:
    /^(?<scheme>kafkas?):\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]+)(?:\/(?<topic>[^/?#]*))?$/u,
  defaultPort: 9092,
  of: 'Kafka brokers',
  expected: 'kafka://[user:password@]host[:port],…/topic',
}
/** Kafka's own rule. */
const TOPIC = /^(?!\.{1,2}$)[\w.-]{1,249}$/u

/**
 * Reads `kafka://[user:password@]host[:port][,host[:port]…][/topic]`; `kafkas://` means TLS. User and password are
 * percent-decoded.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`); the URL in it is masked
 */
export function parseKafkaUrl(url: string, option = 'url'): KafkaUrl {
  const { parts, endpoints, login } = readServerUrl(url, option, FORM)
  const { scheme, topic = '' } = parts
  if (!endpoints.every(isReachable)) {
    throw invalidUrl(url, option, 'names an invalid host or port', FORM)
  }
  if (topic !== '' && !isTopicName(topic)) {
    throw invalidUrl(url, option, 'names an invalid topic', FORM)
  }
  return {
    brokers: endpoints.map(endpointName),
    topic: topic === '' ? undefined : topic,
    tls: scheme === 'kafkas',
    ...login,
  }
}

/** `host:port` of `host[:port]`; undefined when it is none. */
export function parseBroker(text: string): string | undefined {
  const endpoint = parseEndpoint(text, FORM.defaultPort)
  return endpoint !== undefined && isReachable(endpoint) ? endpointName(endpoint) : undefined
}

export function isTopicName(topic: string): boolean {
  return TOPIC.test(topic)
}

/** The driver knows no IPv6 addresses, only names of them. */
function isReachable({ host }: Endpoint): boolean {
  return !host.includes(':')
}
