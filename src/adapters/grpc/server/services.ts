import type {
  sendUnaryData,
  Server,
  ServerDuplexStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedHandleCall,
} from '@grpc/grpc-js'
import { TransportUnavailableError } from '../../../api/errors.ts'
import type { RawPair } from '../../../api/transport.ts'
import type { Client } from '../../../serving/access.ts'
import {
  DATAMSG,
  dataResyncReplies,
  dataResyncRequests,
  pingReply,
  pingRequest,
} from '../datamsg-schema.ts'
import type { MessageCodec, ProtoTable } from '../proto-table.ts'
import {
  commitReply,
  commitRequest,
  DATASYNC,
  getRequest,
  infoReply,
  infoRequest,
  listRequest,
  pairsMessage,
} from '../watch-schema.ts'
import { pairFrames } from './batch-frames.ts'
import type { Context } from './context.ts'
import type { Caller } from './door.ts'
import { DataChangesStream } from './data-changes.ts'
import { replaceAll } from './data-resyncs.ts'
import { commit, get, info, list } from './datasync-calls.ts'
import { Outlet } from './outlet.ts'
import { Watcher } from './watcher.ts'
import { decodeMessage, encodeMessage, formatOf, jsonHeaders } from './wire.ts'

type Unary = (call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) => void
type ServerStream = (call: ServerWritableStream<Buffer, Buffer>) => void
type Duplex = (call: ServerDuplexStream<Buffer, Buffer>) => void

/** Both services of a served agent. */
export function addServices(server: Server, context: Context): void {
  server.addService(definitionOf(DATAMSG), {
    dataChanges: dataChanges(context),
    dataResyncs: unary(context, dataResyncRequests, dataResyncReplies, (request, client, restMs) =>
      replaceAll(request, client, Math.min(restMs, context.settings.appliedTimeoutMs), context),
    ),
    ping: unary(context, pingRequest, pingReply, async () => ({ message: 'it works' })),
  })
  server.addService(definitionOf(DATASYNC), {
    Info: unary(context, infoRequest, infoReply, async (_request, client) => info(client, context)),
    Watch: watch(context),
    Get: pairs(context, getRequest, ({ keys }, client) => get(keys, client, context)),
    List: pairs(context, listRequest, ({ prefix }, client) => list(prefix, client, context)),
    Commit: unary(context, commitRequest, commitReply, (request, client, restMs) =>
      commit(request, client, restMs, context),
    ),
  })
}

/** Messages pass the driver as bytes: their form is told by {@link formatOf}. */
function definitionOf(table: ProtoTable): ServiceDefinition {
  const asIs = (bytes: Buffer): Buffer => bytes
  return Object.fromEntries(
    Object.entries(table.rpcs).map(([name, { requestStream, responseStream }]) => [
      name,
      {
        path: `/${table.package}.${table.service}/${name}`,
        requestStream: requestStream ?? false,
        responseStream: responseStream ?? false,
        requestSerialize: asIs,
        requestDeserialize: asIs,
        responseSerialize: asIs,
        responseDeserialize: asIs,
      },
    ]),
  )
}

/** Until the agent has started nobody is there to apply what is written, nor has anybody refused it. */
async function enter({ door, served }: Context, caller: Caller): Promise<Client> {
  const client = await door.admit(caller)
  if (served.ready) return client
  throw new TransportUnavailableError(served.transport, 'the agent has not started, or is closed', {
    outcome: 'not-applied',
  })
}

function unary<Request, Response>(
  context: Context,
  requestCodec: MessageCodec<Request>,
  responseCodec: MessageCodec<Response>,
  answer: (request: Request, client: Client, restMs: number) => Promise<Response>,
): UntypedHandleCall {
  const { door } = context
  const run = async (call: ServerUnaryCall<Buffer, Buffer>): Promise<Buffer> => {
    const client = await enter(context, call)
    const format = formatOf(call.request)
    const request = decodeMessage(requestCodec, call.request, format)
    const response = await answer(request, client, restMsOf(call))
    if (format === 'json') call.sendMetadata(jsonHeaders())
    return encodeMessage(responseCodec, response, format)
  }
  const handler: Unary = (call, callback) => {
    run(call).then(
      (response) => callback(null, response),
      (error: unknown) => callback(door.refusal(error)),
    )
  }
  return handler
}

/** A stream of pairs, in messages of bounded size, no faster than the client takes them. */
function pairs<Request>(
  context: Context,
  codec: MessageCodec<Request>,
  find: (request: Request, client: Client) => Promise<readonly RawPair[]>,
): UntypedHandleCall {
  const { door, settings, served } = context
  const run = async (call: ServerWritableStream<Buffer, Buffer>): Promise<void> => {
    const client = await enter(context, call)
    const format = formatOf(call.request)
    const request = decodeMessage(codec, call.request, format)
    const found = await find(request, client)
    if (format === 'json') call.sendMetadata(jsonHeaders())
    const { writeTimeoutMs } = settings
    const { clock } = served.io
    const outlet = new Outlet(call, { clock, writeTimeoutMs, onStuck: () => context.cut(call) })
    call.on('cancelled', () => outlet.close())
    try {
      for (const part of pairFrames(found)) {
        if (call.cancelled) return
        if (outlet.full) await outlet.room()
        outlet.write(encodeMessage(pairsMessage, { pairs: part }, format))
      }
      await outlet.drained()
      call.end()
    } finally {
      outlet.close()
    }
  }
  const handler: ServerStream = (call) => {
    run(call).catch((error: unknown) => call.emit('error', door.refusal(error)))
  }
  return handler
}

function watch(context: Context): UntypedHandleCall {
  const { door } = context
  const run = async (call: ServerWritableStream<Buffer, Buffer>): Promise<void> => {
    const client = await enter(context, call)
    const end = door.beginWatch(client, call)
    try {
      await new Watcher(call, client, context).run()
    } finally {
      end()
    }
  }
  const handler: ServerStream = (call) => {
    run(call).catch((error: unknown) => call.emit('error', door.refusal(error)))
  }
  return handler
}

function dataChanges(context: Context): UntypedHandleCall {
  const { door, closing } = context
  const handler: Duplex = (call) => {
    enter(context, call).then(
      (client) => {
        const stream = new DataChangesStream(call, context, client)
        const onClose = (): void => stream.close()
        closing.addEventListener('abort', onClose, { once: true })
        call.once('close', () => closing.removeEventListener('abort', onClose))
        if (closing.aborted) onClose()
      },
      (error: unknown) => call.emit('error', door.refusal(error)),
    )
  }
  return handler
}

/** Until the caller's deadline. */
function restMsOf(call: { getDeadline(): Date | number }): number {
  const deadline = call.getDeadline()
  return Math.max(1, Number(deadline) - Date.now())
}
