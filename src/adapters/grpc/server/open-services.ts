import { status } from '@grpc/grpc-js'
import type { Server, UntypedServiceImplementation } from '@grpc/grpc-js'
import { WatcherSlots } from '../../../serving/watcher-slots.ts'

/** Of a request that needs no credentials: a name and little more. */
export const OPEN_MESSAGE_BYTES = 4_096
/** Streams of strangers at a time, in all and per address. */
const STREAMS = { all: 1_000, perClient: 64 }

/** True for what is answered without credentials. */
export function isOpenService(path: string): boolean {
  return path.startsWith('/grpc.health.') || path.startsWith('/grpc.reflection.')
}

/** A stream without credentials. */
interface OpenStream {
  getPeer(): string
  on(event: 'close' | 'cancelled', listener: () => void): unknown
  emit(event: 'error', error: object): unknown
}

/** Bounds what strangers can hold of the services that answer them. */
export class OpenStreams {
  readonly #slots = new WatcherSlots(STREAMS)
  readonly #open = new Set<OpenStream>()

  /** False: there are too many, the call is ended. */
  admit(call: OpenStream): boolean {
    const slot = this.#slots.take(call.getPeer().replace(/:\d+$/u, ''))
    if (typeof slot === 'string') {
      call.emit('error', { code: status.RESOURCE_EXHAUSTED, details: 'too many streams' })
      return false
    }
    this.#open.add(call)
    const gone = (): void => {
      slot()
      this.#open.delete(call)
    }
    call.on('close', gone)
    call.on('cancelled', gone)
    return true
  }

  /** The server closes: they would stay as long as their clients. */
  close(): void {
    for (const call of this.#open) {
      call.emit('error', { code: status.UNAVAILABLE, details: 'the server is closing' })
    }
  }
}

/** Adds a library's service with other handlers. */
export function addWith(
  server: Server,
  service: { addToServer(server: Server): void },
  change: (handlers: UntypedServiceImplementation) => UntypedServiceImplementation,
): void {
  service.addToServer({
    addService: (definition, handlers) => server.addService(definition, change(handlers)),
  } as Pick<Server, 'addService'> as Server)
}
