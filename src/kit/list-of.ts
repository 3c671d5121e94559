import { TransportUnavailableError } from '../api/errors.ts'
import type { Io, ListPart, RawPair, Transport } from '../api/transport.ts'
import { onAbort } from './abortable.ts'

/**
 * The pairs under a prefix: by the transport's own `list`, else what a stream of it lists before it goes live. Of a part
 * there may be more than that.
 */
export function listOf(
  transport: Transport,
  prefix: string,
  io: Io,
  part?: ListPart,
): AsyncIterable<readonly RawPair[]> {
  return transport.list?.(prefix, io, part) ?? listed(transport, prefix, io)
}

async function* listed(
  transport: Transport,
  prefix: string,
  io: Io,
): AsyncGenerator<readonly RawPair[]> {
  const enough = new AbortController()
  const { signal } = enough
  // Not AbortSignal.any: it leaves something at the signal that lives long, at each call.
  const done = onAbort(io.signal, () => enough.abort(io.signal.reason))
  let pages: (readonly RawPair[])[] = []
  try {
    for await (const batch of transport.stream([prefix], undefined, { ...io, signal })) {
      if (batch.kind === 'pairs') pages.push(batch.pairs)
      // What came so far is of an older state.
      else if (batch.kind === 'reset') pages = []
      else if (batch.kind === 'listed') {
        yield* pages
        return
      }
    }
    io.signal.throwIfAborted()
    throw new TransportUnavailableError(transport.name, 'the stream ended before it had listed')
  } finally {
    done()
    enough.abort()
  }
}
