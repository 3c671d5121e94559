import { ServerInterceptingCall } from '@grpc/grpc-js'
import type { ServerInterceptor } from '@grpc/grpc-js'
import type { Door } from './door.ts'
import { isOpenService, OPEN_MESSAGE_BYTES } from './open-services.ts'

/**
 * Looks at who calls as soon as the headers are there: what strangers send is not read at all, lest halves of large
 * messages fill the memory.
 */
export function gate(door: Door): ServerInterceptor {
  return (method, call) => {
    const asItIs = call as ServerInterceptingCall
    if (isOpenService(method.path)) {
      boundMessages(call)
      return asItIs
    }
    if (door.isOpen) return asItIs
    return new ServerInterceptingCall(call, {
      start: (next) => {
        next({
          onReceiveMetadata: (metadata, pass) => {
            const caller = {
              metadata,
              getPeer: () => call.getPeer(),
              getAuthContext: () => call.getAuthContext(),
            }
            if (door.knows(caller)) pass(metadata)
            else void door.turnAway(caller).then((refusal) => call.sendStatus(refusal))
          },
        })
      },
    })
  }
}

/** The driver has one limit for all methods; that of a single call can be set here only. */
function boundMessages(call: object): void {
  const { decoder } = call as { decoder?: { maxReadMessageLength?: number } }
  if (decoder?.maxReadMessageLength !== undefined) decoder.maxReadMessageLength = OPEN_MESSAGE_BYTES
}
