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
import { TURN_MEANING } from '../../../serving/turn-outcomes.ts'
import type { TurnMeaning } from '../../../serving/turn-outcomes.ts'
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
  const open = turns.filter((turn) => resultOf(turn) !== status.OK)
  const replies = dataResyncs.map(({ key }): DataResyncReply => {
    const results = open
      .filter(({ prefixes }) => prefixes.some((each) => key.startsWith(each)))
      .map(resultOf)
    // A refusal tells more than who has not been asked yet.
    const refused = results.includes(status.FAILED_PRECONDITION)
    const result = refused ? status.FAILED_PRECONDITION : (results[0] ?? status.OK)
    return { key, result, ...(msgId ? { resyncId: msgId } : {}) }
  })
  return {
    ...(msgId ? { msgId } : {}),
    ...(open.length > 0 ? { error: { message: describeAll(open) } } : {}),
    dataResyncs: { replies },
  }
}

const RESULT_OF: Readonly<Record<TurnMeaning, status>> = {
  applied: status.OK,
  refused: status.FAILED_PRECONDITION,
  'not-yet-applied': status.DEADLINE_EXCEEDED,
}

function resultOf({ outcome }: ReplaceTurn): status {
  return RESULT_OF[TURN_MEANING[outcome]]
}

function describeAll(turns: readonly ReplaceTurn[]): string {
  const listed = (meaning: TurnMeaning): string =>
    turns
      .filter(({ outcome }) => TURN_MEANING[outcome] === meaning)
      .map(({ registration, outcome, error }) => {
        const why = error === undefined ? outcome : describeError(error)
        return `${registration} (${why})`
      })
      .join(', ')
  const refused = listed('refused')
  const waiting = listed('not-yet-applied')
  const parts = [
    ...(refused === '' ? [] : [`refused by ${refused}`]),
    ...(waiting === '' ? [] : [`not yet applied by ${waiting}`]),
  ]
  // Half a character would be no UTF-8: programs in Go refuse the whole answer.
  return `stored, but ${parts.join(', ')}`.toWellFormed()
}
