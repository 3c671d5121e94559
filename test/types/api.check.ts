// Compiled, never run: what must and must not type-check in a user's program.
import type { Observable } from 'rxjs'
import {
  acknowledge,
  Agent,
  aggregate,
  codec,
  composite,
  diff,
  memory,
  model,
  prefixed,
  raw,
} from '../../src/index.ts'
import type { ChangeEvent, Checkpoint, ResyncEvent, Transport } from '../../src/index.ts'

interface Interface {
  name: string
  mtu: number
}

const json = codec<Interface>({
  encode: (value) => new TextEncoder().encode(JSON.stringify(value)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Interface,
})
const interfaces = model('/config/interfaces/', json)

export function typedEvents(event: ChangeEvent): number | undefined {
  if (interfaces.owns(event) && event.changeType === 'put') {
    const value: Interface = event.getValue(interfaces)
    return value.mtu
  }
  const previous: Interface | undefined = event.getPrevValue(interfaces)
  return previous?.mtu
}

export function narrowing(event: ResyncEvent | ChangeEvent): string {
  if (event.kind === 'resync') {
    // @ts-expect-error a RESYNC has no key
    void event.key
    return event.reason
  }
  if (event.changeType === 'delete') {
    const previous: Uint8Array = event.prev.bytes
    // @ts-expect-error a delete has no value
    void event.bytes
    return String(previous.length)
  }
  // @ts-expect-error a put may have no previous value
  void event.prev.bytes
  return event.version
}

export async function surface(): Promise<void> {
  const store: Transport = composite([memory(), prefixed(memory(), '/agents/a1/')], {
    conflict: 'latest',
    write: 'first',
  })
  const agent = new Agent({ transport: store })
  const registration = agent.watch('interfaces', interfaces, {
    delivery: 'latest',
    onRefusal: 'retry',
    doneTimeoutMs: { change: 500 },
  })
  // @ts-expect-error not a policy
  agent.watch('x', '/x/', { onRefusal: 'ignore' })
  // @ts-expect-error misspelt
  agent.watch('x', '/x/', { queueLimits: 1 })

  const changes: Observable<ChangeEvent> = registration.events$.pipe(
    acknowledge(async (event) => event.kind),
    diff(),
  )
  changes.subscribe()
  registration.handle({ resync: (event) => [...event.values.keys()], change: async () => {} })
  const both = aggregate([registration, agent.register('no data')])
  both.resyncs$.subscribe((event) => event.done())

  await agent.put(interfaces.key('eth0'), json.message({ name: 'eth0', mtu: 1500 }), { ttlMs: 1 })
  await agent.put('/raw', raw(new Uint8Array()), { ifAbsent: true, waitFor: 'applied' })
  // @ts-expect-error a string is no message
  await agent.put('/raw', 'text')
  await agent.txn().put('/a', raw(new Uint8Array())).delete('/b').commit({ timeoutMs: 100 })
  const saved: Checkpoint | undefined = registration.checkpoint()
  if (saved !== undefined) agent.watch('again', interfaces, { resume: saved })
  // @ts-expect-error read-only
  registration.name = 'other'
  await agent.close()
}
