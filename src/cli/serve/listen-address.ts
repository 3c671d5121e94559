import { InvalidArgumentError } from 'commander'

/** Where a server is to listen. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/**
 * `:8080`, `8080`, `0.0.0.0:8080`, `[::]:8080`; without a host it is 127.0.0.1, port 0 is any free one.
 * @throws InvalidArgumentError of commander
 */
export function parseListenAddress(text: string): ListenAddress {
  const { v6, host, port } =
    /^(?:(?:\[(?<v6>[\da-f:.]+)\]|(?<host>[\w.-]+))?:)?(?<port>\d{1,5})$/iu.exec(text)?.groups ?? {}
  if (port === undefined || Number(port) > 65_535) {
    throw new InvalidArgumentError('Give :port, host:port or [IPv6]:port, such as :8080.')
  }
  return { host: v6 ?? host ?? '127.0.0.1', port: Number(port) }
}
