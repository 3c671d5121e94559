import { beforeAll } from '@jest/globals'
import { describeServer } from '../support/server-suite.ts'
import { whyNoCompose } from './compose.ts'

/** Where the servers of one technology come from. */
export interface ServerSource {
  /** The environment variable that names a shared one, such as `REDIS_URL`. */
  readonly variable: string
  /** Why none of our own can be started; undefined when one can. */
  readonly missing: string | undefined
  /** Starts one of our own; resolves with what tests are given. */
  readonly start: () => Promise<string>
  /** The same by docker compose. */
  readonly compose: () => Promise<string>
  /** What tests are given of the variable's value; the value itself. */
  readonly given?: (url: string) => string
  /** For the start; 120 000 ms. */
  readonly timeoutMs?: number
}

/**
 * A describe for tests that start, stop and set up servers of their own. Without programs the suite is skipped with the
 * reason, and fails with `CI=true`.
 */
export function describeWithOwn(
  { variable, missing }: Pick<ServerSource, 'variable' | 'missing'>,
  title: string,
  body: () => void,
): void {
  const hint = process.env[variable] ? `; ${variable} is not enough, servers are killed here` : ''
  describeServer(title, missing === undefined ? undefined : missing + hint, body)
}

/**
 * A describe for tests that any server will do for, shared with others: the one of the environment, else one of our own,
 * else one of docker compose. `address` may be called in hooks and tests.
 */
export function describeWithAny(
  source: ServerSource,
  noCompose: string | undefined,
  title: string,
  body: (address: () => string) => void,
): void {
  const { variable, missing, given = (url) => url, timeoutMs = 120_000 } = source
  const url = process.env[variable] || undefined
  const none = noCompose === undefined ? undefined : `${missing}; ${noCompose}`
  describeServer(title, none, () => {
    let address: string | undefined
    beforeAll(async () => {
      if (url !== undefined) address = given(url)
      else address = await (missing === undefined ? source.start() : source.compose())
    }, timeoutMs)
    body(() => {
      if (address === undefined) throw new Error('the address was asked for before the hooks ran')
      return address
    })
  })
}

/** Why there is no docker compose, where it would be needed. */
export async function whyNoComposeFor({
  variable,
  missing,
}: Pick<ServerSource, 'variable' | 'missing'>): Promise<string | undefined> {
  return process.env[variable] || missing === undefined ? undefined : whyNoCompose()
}
