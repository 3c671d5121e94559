import { status } from '@grpc/grpc-js'
import type { handleServerStreamingCall, handleUnaryCall, Server } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import type { Served } from '../../../api/served.ts'
import { servingState } from '../../../serving/serving-state.ts'
import { addWith } from './open-services.ts'
import type { OpenStreams } from './open-services.ts'

type Status = 'SERVING' | 'NOT_SERVING'
interface Asked {
  readonly service: string
}
interface Answer {
  readonly status: Status | 'SERVICE_UNKNOWN'
}

/** How often readiness is looked at. */
const LOOK_MS = 100

/** The standard health service: SERVING while the agent has started and its store is not lost. It needs no credentials, as probes have none. */
export class Health {
  readonly #served: Served
  readonly #services: readonly string[]
  readonly #health: HealthImplementation
  #status: Status = 'NOT_SERVING'
  #timer: { stop(): void } | undefined

  constructor(served: Served, services: readonly string[]) {
    this.#served = served
    this.#services = ['', ...services]
    this.#health = new HealthImplementation(
      Object.fromEntries(this.#services.map((service) => [service, this.#status])),
    )
    this.#look()
  }

  /** Names that nobody has are answered here: the library would keep each of them for ever. */
  addToServer(server: Server, streams: OpenStreams): void {
    addWith(server, this.#health, ({ check, watch, ...others }) => {
      const checkKnown = check as handleUnaryCall<Asked, Answer>
      const watchKnown = watch as handleServerStreamingCall<Asked, Answer>
      const checkAny: typeof checkKnown = (call, callback) => {
        if (this.#services.includes(call.request.service)) checkKnown(call, callback)
        else callback({ code: status.NOT_FOUND, details: 'there is no such service' })
      }
      const watchAny: typeof watchKnown = (call) => {
        if (!streams.admit(call)) return
        if (this.#services.includes(call.request.service)) watchKnown(call)
        else call.write({ status: 'SERVICE_UNKNOWN' })
      }
      return { ...others, check: checkAny, watch: watchAny }
    })
  }

  /** From now on NOT_SERVING. */
  stop(): void {
    this.#timer?.stop()
    this.#set('NOT_SERVING')
  }

  #look(): void {
    this.#set(servingState(this.#served) === 'ok' ? 'SERVING' : 'NOT_SERVING')
    this.#timer = this.#served.io.clock.after(LOOK_MS, () => this.#look())
  }

  #set(status: Status): void {
    if (status === this.#status) return
    this.#status = status
    for (const service of this.#services) this.#health.setStatus(service, status)
  }
}
