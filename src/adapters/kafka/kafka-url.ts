import { InvalidOptionError, maskUrl } from '../../api/errors.ts'

/** What an URL says; what it does not say is undefined. */
export interface KafkaUrl {
  /** `host:port` */
  readonly brokers: readonly string[]
  readonly topic: string | undefined
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
}

const DEFAULT_PORT = 9092
const SHAPE =
  /^(?<scheme>kafkas?):\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]+)(?:\/(?<topic>[^/?#]*))?$/u
const HOST = /^(?<host>[^\s:[\]]+)(?::(?<port>\d{1,5}))?$/u
/** Kafka's own rule. */
const TOPIC = /^(?!\.{1,2}$)[\w.-]{1,249}$/u

/**
 * Reads `kafka://[user:password@]host[:port][,host[:port]…][/topic]`; `kafkas://` means TLS. User and password are
 * percent-decoded.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`); the URL in it is masked
 */
export function parseKafkaUrl(url: string, option = 'url'): KafkaUrl {
  const parts = SHAPE.exec(url)?.groups
  if (parts === undefined) throw invalid(url, option, 'is no URL of Kafka brokers')
  const { scheme, login, hosts = '', topic } = parts
  const brokers = hosts.split(',').map((host) => {
    const broker = parseBroker(host)
    if (broker === undefined) throw invalid(url, option, 'names an invalid host or port')
    return broker
  })
  if (topic !== undefined && topic !== '' && !isTopicName(topic)) {
    throw invalid(url, option, 'names an invalid topic')
  }
  return {
    brokers,
    topic: topic === '' ? undefined : topic,
    tls: scheme === 'kafkas',
    ...parseLogin(login, url, option),
  }
}

/** `host:port` of `host[:port]`; undefined when it is none. The driver knows no IPv6 addresses, only names of them. */
export function parseBroker(text: string): string | undefined {
  const parts = HOST.exec(text)?.groups
  const port = parts?.['port'] === undefined ? DEFAULT_PORT : Number(parts['port'])
  const host = parts?.['host']
  return host === undefined || port < 1 || port > 65_535 ? undefined : `${host}:${port}`
}

export function isTopicName(topic: string): boolean {
  return TOPIC.test(topic)
}

function parseLogin(
  login: string | undefined,
  url: string,
  option: string,
): Pick<KafkaUrl, 'username' | 'password'> {
  if (login === undefined) return { username: undefined, password: undefined }
  const colon = login.indexOf(':')
  const decode = (text: string): string | undefined => {
    try {
      return text === '' ? undefined : decodeURIComponent(text)
    } catch {
      // The cause would name the text, which is a secret.
      throw invalid(url, option, 'has a broken percent code in its user or password')
    }
  }
  return {
    username: decode(colon === -1 ? login : login.slice(0, colon)),
    password: colon === -1 ? undefined : decode(login.slice(colon + 1)),
  }
}

function invalid(url: string, option: string, problem: string): InvalidOptionError {
  // All before the last `@`, also when a password holds a `/` or an `@` that should have been escaped.
  const shown = maskUrl(url.replace(/\/\/.*@/su, '//***@'))
  return new InvalidOptionError(
    option,
    `${JSON.stringify(shown)} ${problem}; expected kafka://[user:password@]host[:port],…/topic`,
  )
}
