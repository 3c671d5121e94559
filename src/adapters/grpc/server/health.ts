import type { Server } from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import type { Served } from '../../../api/served.ts'

type Status = 'SERVING' | 'NOT_SERVING'

/** How often readiness is looked at. */
const LOOK_MS = 100

/** The standard health service: SERVING while the agent is ready. It needs no credentials, as probes have none. */
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

  addToServer(server: Server): void {
    this.#health.addToServer(server)
  }

  /** From now on NOT_SERVING. */
  stop(): void {
    this.#timer?.stop()
    this.#set('NOT_SERVING')
  }

  #look(): void {
    this.#set(this.#served.ready ? 'SERVING' : 'NOT_SERVING')
    this.#timer = this.#served.io.clock.after(LOOK_MS, () => this.#look())
  }

  #set(status: Status): void {
    if (status === this.#status) return
    this.#status = status
    for (const service of this.#services) this.#health.setStatus(service, status)
  }
}
