import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Answers that wait for their turn on a connection whose client sent requests without waiting (pipelining). When the
 * connection ends, Node tells only the one that is being written; the others would be held, and written to nobody, for
 * ever.
 */
export class PipelinedResponses {
  readonly #waiting = new WeakMap<Socket, Set<ServerResponse>>()

  /** From now on the response ends with its connection, by `destroyed` and `close`, also before it is its turn. */
  follow({ socket }: IncomingMessage, response: ServerResponse): void {
    if (response.socket !== null) return
    const known = this.#waiting.get(socket)
    const waiting = known ?? new Set()
    waiting.add(response)
    response.once('socket', () => waiting.delete(response))
    if (known !== undefined) return
    this.#waiting.set(socket, waiting)
    // One listener for all of them, whose number the client decides.
    socket.once('close', () => {
      for (const each of waiting) {
        each.destroy()
        each.emit('close')
      }
      waiting.clear()
    })
  }
}
