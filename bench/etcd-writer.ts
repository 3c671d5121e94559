import { Client, credentials } from '@grpc/grpc-js'
import { txnMethod } from '../src/adapters/etcd/schema.ts'
import { KEYS, keyOf, LIVE_VALUE_BYTES, ROUNDS, TXNS } from './scenario/etcd-live.ts'
import { TXN } from './etcd-server.ts'

/**
 * `node etcd-writer.js <host:port>`, with a channel: at each message it sends the prepared transactions, four at a time,
 * and answers when all are stored. What it sends is encoded before, so that the server sets the pace.
 */
const client = new Client(process.argv[2] as string, credentials.createInsecure())
const UNDER_WAY = 4

const prepared = ROUNDS.map((letter) =>
  Array.from({ length: TXNS }, (_, t) =>
    txnMethod.request.encode({
      compare: [],
      failure: [],
      success: Array.from({ length: TXN }, (_item, i) => ({
        requestPut: {
          key: Buffer.from(keyOf((t * TXN + i) % KEYS)),
          value: Buffer.alloc(LIVE_VALUE_BYTES, letter),
        },
      })),
    }),
  ),
)

let round = 0
process.on('message', () => {
  const requests = prepared[round++ % prepared.length] ?? []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < requests.length) await send(requests[next++] as Buffer)
  }
  void Promise.all(Array.from({ length: UNDER_WAY }, lane)).then(() => process.send?.('stored'))
})
process.send?.('ready')

function send(request: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      txnMethod.path,
      (bytes: Buffer) => bytes,
      (bytes) => bytes,
      request,
      (error) => (error === null ? resolve() : reject(error)),
    )
  })
}
