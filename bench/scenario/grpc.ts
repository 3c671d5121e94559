import { Client, credentials, Metadata, Server, ServerCredentials } from '@grpc/grpc-js'
import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js'
import {
  DATA_CHANGES_PATH,
  dataChangeReply,
  dataChangeRequest,
} from '../../src/adapters/grpc/datamsg-schema.ts'
import type { DataChangeReply, DataChangeRequest } from '../../src/adapters/grpc/datamsg-schema.ts'
import { serveGrpc } from '../../src/adapters/grpc/server/index.ts'
import { Agent, memory } from '../../src/index.ts'
import type { Measurement, Scenario, Side } from '../scenario.ts'
import { agentKey, makeEncodedMessages, perSecond } from '../workload.ts'

const KEYS = 10_000
const CHANGES = 40_000
/** Requests on their way. */
const WINDOW = 256

const keys = Array.from({ length: KEYS }, (_, i) => agentKey(i))
const values = makeEncodedMessages(64).map((message) => message.serializeBinary())

/**
 * Changes on one dataChanges stream, up to 256 on their way, client and server in one process. Ours: checked, stored, given
 * to a receiver with the previous value, and replied to in order when it has said done. Bare: the driver's own
 * bidirectional stream, each request decoded and answered with a reply of the same type at once; nothing is kept.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'gRPC',
  rows: [
    {
      id: 'B14',
      work: 'dataChanges stream, request → done → reply',
      ours: 'ours',
      beside: 'grpc-js echo',
      metric: 'perSecond',
      unit: 'changes/s',
      goal: { atLeast: 0.7 },
    },
  ],
  sides: { ours, 'grpc-js echo': echo },
}

async function ours(): Promise<Side> {
  const agent = new Agent({ transport: memory() })
  let seen = 0
  agent.watch('agents', '/agents/').handle({
    change: () => {
      seen++
    },
  })
  const server = await serveGrpc(agent, { port: 0 })
  await agent.start()
  return side(server.port, async () => {
    await agent.close()
    await server.close()
    if (seen === 0) throw new Error('nothing was received')
  })
}

async function echo(): Promise<Side> {
  const server = new Server()
  server.addService(
    {
      dataChanges: {
        path: DATA_CHANGES_PATH,
        requestStream: true,
        responseStream: true,
        requestSerialize: dataChangeRequest.encode,
        requestDeserialize: dataChangeRequest.decode,
        responseSerialize: dataChangeReply.encode,
        responseDeserialize: dataChangeReply.decode,
      },
    },
    {
      dataChanges: (call: ServerDuplexStream<DataChangeRequest, DataChangeReply>) => {
        call.on('data', ({ key, operationType }: DataChangeRequest) => {
          call.write({ key, operationType, result: 0 })
        })
        call.on('end', () => call.end())
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound)
      else reject(error)
    })
  })
  return side(port, async () => server.forceShutdown())
}

function side(port: number, close: () => Promise<void>): Side {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  const call = client.makeBidiStreamRequest(
    DATA_CHANGES_PATH,
    dataChangeRequest.encode,
    dataChangeReply.decode,
    new Metadata(),
  )
  return {
    sample: () => exchange(call),
    close: async () => {
      call.on('error', () => {}) // canceled
      call.cancel()
      client.close()
      await close()
    },
  }
}

function exchange(
  call: ClientDuplexStream<DataChangeRequest, DataChangeReply>,
): Promise<Measurement> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    let sent = 0
    let replied = 0
    const send = (): void => {
      while (sent < CHANGES && sent - replied < WINDOW) {
        const key = keys[sent % KEYS] as string
        const content = values[sent % values.length] as Uint8Array
        call.write({ key, operationType: 0, content, content_type: '' })
        sent++
      }
    }
    const onReply = ({ key, result }: DataChangeReply): void => {
      if (key !== keys[replied % KEYS] || result !== 0) reject(new Error(`${key}: ${result}`))
      replied++
      if (replied < CHANGES) {
        send()
        return
      }
      call.off('data', onReply)
      resolve({ perSecond: perSecond(CHANGES, startedAt) })
    }
    call.on('data', onReply)
    send()
  })
}
