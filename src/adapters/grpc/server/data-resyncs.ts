import { status } from '@grpc/grpc-js'
import {
  AccessDeniedError,
  describeError,
  InvalidOptionError,
  PayloadTooLargeError,
  UnsupportedOptionError,
} from '../../../api/errors.ts'
import type { ReplaceTurn } from '../../../api/served.ts'
import type { Client } from '../../../serving/access.ts'
import type { DataResyncReplies, DataResyncReply, DataResyncRequests } from '../datamsg-schema.ts'
import type { Context } from './context.ts'

/**
 * Makes what is sent everything that there is under the client's prefixes, in one transaction; what is absent is deleted.
 * The registrations get a RESYNC each, in their order (datasync.md §5).
 * @throws what {@link Served.replace} does; AccessDeniedError; InvalidOptionError for a list without items
 */
export async function replaceAll(
  { msgId, dataResyncs }: DataResyncRequests,
  client: Client,
  timeoutMs: number,
  { settings, served, contents }: Context,
): Promise<DataResyncReplies> {
  if (client.writable.length === 0) {
    throw new AccessDeniedError(served.transport, 'nothing may be written')
  }
  // On the wire a list without items is the same as none.
  if (dataResyncs.length === 0 && !settings.allowEmptyResync) {
    throw new InvalidOptionError(
      'dataResyncs',
      'holds no item: everything would be deleted, which the server does not allow (allowEmptyResync)',
    )
  }
  const { maxOps } = settings.limits
  if (dataResyncs.length > maxOps) {
    throw new PayloadTooLargeError('dataResyncs', dataResyncs.length, maxOps, { unit: 'items' })
  }
  if (!served.capabilities.transactions) {
    throw new UnsupportedOptionError('dataResyncs', served.transport, 'it has no transactions')
  }
  const pairs = dataResyncs.map(({ key, content, content_type: contentType }) => {
    if (!client.mayWrite(key)) {
      throw new AccessDeniedError(served.transport, `${JSON.stringify(key)} may not be written`)
    }
    return { key, value: contents.valueOf(key, content, contentType) }
  })
  const { turns } = await served.replace(client.writable, pairs, { waitFor: 'applied', timeoutMs })
  const refusals = turns.filter(({ outcome }) => outcome === 'refused' || outcome === 'timeout')
  const replies = dataResyncs.map(({ key }): DataResyncReply => {
    const refused = refusals.some(({ prefixes }) => prefixes.some((each) => key.startsWith(each)))
    const result = refused ? status.FAILED_PRECONDITION : status.OK
    return { key, result, ...(msgId ? { resyncId: msgId } : {}) }
  })
  return {
    ...(msgId ? { msgId } : {}),
    ...(refusals.length > 0 ? { error: { message: describeAll(refusals) } } : {}),
    dataResyncs: { replies },
  }
}

function describeAll(refusals: readonly ReplaceTurn[]): string {
  const each = refusals.map(({ registration, outcome, error }) => {
    const why = error === undefined ? outcome : describeError(error)
    return `${registration} (${why})`
  })
  // Half a character would be no UTF-8: programs in Go refuse the whole answer.
  return `stored, but refused by ${each.join(', ')}`.toWellFormed()
}
