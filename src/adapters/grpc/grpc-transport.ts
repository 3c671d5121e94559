import { PayloadTooLargeError } from '../../api/errors.ts'
import type {
  Batch,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  Op,
  Position,
  RawPair,
  Transport,
} from '../../api/transport.ts'
import { Client } from '../../grpc-link/client.ts'
import type { Reading } from '../../grpc-link/client.ts'
import type { MessageFeed } from '../../grpc-link/message-feed.ts'
import { isLoopback } from '../../kit/loopback.ts'
import { ASSUMED, capabilitiesOf } from './capabilities.ts'
import { Connection } from './connection.ts'
import { translate } from './errors.ts'
import { numberOf } from './int64.ts'
import type { GrpcSettings } from './options.ts'
import {
  commitMethod,
  commitRequest,
  GET_PATH,
  getRequest,
  LIST_PATH,
  listRequest,
  pairsMessage,
  WAIT,
} from './watch-schema.ts'
import type { CommitRequest, WireOp, WirePair } from './watch-schema.ts'
import { watchStream } from './watch-stream.ts'
import { listedPair } from './wire-pair.ts'

/** Of keys asked for in one request. */
const KEYS_BYTES = 1_048_576
/** The server's word that a write was stored is to come before our own time is over. */
const MAX_MARGIN_MS = 250

/** A served agent, as the engine sees it. */
export class GrpcTransport implements Transport {
  readonly name: string
  readonly livenessMs: number
  readonly #settings: GrpcSettings
  readonly #client: Client<Connection>
  #capabilities: Capabilities = ASSUMED
  #maxRequestBytes = Infinity

  constructor(settings: GrpcSettings) {
    this.#settings = settings
    this.name = settings.name
    this.livenessMs = settings.livenessMs
    this.#client = new Client({
      ...settings,
      make: (endpoint, io) => new Connection(endpoint, settings, io),
      translate: (error, outcome) => translate(settings.name, error, outcome),
      onConnection: (connection) => this.#learn(connection),
    })
  }

  /** Of what is served, as the server said last; until then those of an agent on memory or LMDB. */
  get capabilities(): Capabilities {
    return this.#capabilities
  }

  open(io: Io): Promise<void> {
    const { token, tls, endpoints } = this.#settings
    const secret = tls !== undefined || endpoints.every(({ host }) => isLoopback(host))
    if (token !== undefined && !secret) {
      io.logger.warn({ transport: this.name }, 'the token is sent without TLS')
    }
    return this.#client.open(io)
  }

  async *stream(
    prefixes: readonly string[],
    from: Position | undefined,
    io: Io,
  ): AsyncIterable<Batch> {
    const { dialer, signal } = this.#client.forStream(io)
    yield* watchStream(
      {
        settings: this.#settings,
        prefixes,
        io: { ...io, signal },
        dialer,
        onConnection: (connection) => this.#learn(connection),
      },
      from,
    )
  }

  list(prefix: string, io: Io): AsyncIterable<readonly RawPair[]> {
    return this.#client.read(io, (connection, reading) =>
      pairsOf(
        connection,
        connection.feed(LIST_PATH, listRequest, pairsMessage, { prefix }),
        reading,
      ),
    )
  }

  async get(keys: readonly string[], io: Io): Promise<readonly RawPair[]> {
    const found: RawPair[] = []
    const pages = this.#client.read(io, async function* (connection, reading) {
      for (const part of partsOf(keys)) {
        yield* pairsOf(
          connection,
          connection.feed(GET_PATH, getRequest, pairsMessage, { keys: part }),
          reading,
        )
      }
    })
    for await (const pairs of pages) found.push(...pairs)
    return found
  }

  commit(ops: readonly Op[], options: CommitOptions, io: Io): Promise<CommitResult> {
    const { timeoutMs } = options
    return this.#client.write(io, timeoutMs, async (connection, progress) => {
      const request = this.#request(ops, options)
      progress.sent = connection.lost === undefined
      const reply = await connection.call(commitMethod, request, {
        onStart: (cancel) => {
          progress.cancel = cancel
        },
        deadline: new Date(Date.now() + timeoutMs),
      })
      return {
        versions: ops.map((op, i) => (op.type === 'put' ? reply.versions[i] : undefined)),
        ...(Object.hasOwn(reply, 'deleted') ? { deleted: numberOf(reply.deleted ?? 0) } : {}),
        ...(Object.hasOwn(reply, 'receivers') ? { receivers: reply.receivers ?? 0 } : {}),
      }
    })
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  #learn({ info }: Connection): void {
    if (info === undefined) return
    this.#capabilities = capabilitiesOf(info)
    this.#maxRequestBytes = info.maxMessageBytes
  }

  /** @throws PayloadTooLargeError */
  #request(ops: readonly Op[], { waitFor, timeoutMs }: CommitOptions): CommitRequest {
    const request = {
      ops: ops.map(wireOp),
      wait: WAIT[waitFor],
      timeoutMs: Math.max(1, timeoutMs - Math.min(MAX_MARGIN_MS, timeoutMs / 4)),
    }
    // Counting is dear; only what may be too large is.
    const limit = this.#maxRequestBytes
    const values = ops.reduce((sum, op) => sum + (op.type === 'put' ? op.value.length : 0), 0)
    if (ops.length > 100 || values * 2 > limit) {
      const size = commitRequest.encode(request).length
      if (size > limit) throw new PayloadTooLargeError('the transaction', size, limit)
    }
    return request
  }
}

async function* pairsOf(
  connection: Connection,
  feed: MessageFeed<{ readonly pairs: readonly WirePair[] }>,
  { onAbort }: Reading,
): AsyncGenerator<readonly RawPair[]> {
  const forget = onAbort((reason) => feed.fail(reason))
  try {
    for await (const { pairs } of connection.read(feed)) yield pairs.map(listedPair)
  } finally {
    forget()
  }
}

function wireOp(op: Op): WireOp {
  if (op.type === 'delete-prefix') return { deletePrefix: { prefix: op.prefix } }
  const { key } = op
  const condition = op.ifVersion === undefined ? {} : { ifVersion: op.ifVersion }
  if (op.type === 'delete') return { delete: { key, ...condition } }
  const { value, ttlMs = 0, ifAbsent = false } = op
  return { put: { key, value, ttlMs, ifAbsent, ...condition } }
}

function* partsOf(keys: readonly string[]): Generator<readonly string[]> {
  let from = 0
  let size = 0
  for (const [i, key] of keys.entries()) {
    const own = key.length * 3 + 8
    if (i > from && size + own > KEYS_BYTES) {
      yield keys.slice(from, i)
      from = i
      size = 0
    }
    size += own
  }
  if (from < keys.length) yield from === 0 ? keys : keys.slice(from)
}
