// A watch on a store in memory: first everything that is there (RESYNC), then every change.
//   node --import tsx examples/01-first-steps.ts
import { Agent, memory, raw } from 'rx-datasync'

const text = (value: string) => raw(new TextEncoder().encode(value))
const agent = new Agent({ transport: memory() })

agent.watch('lamps', '/lamps/').handle({
  resync: ({ values }) => console.log('RESYNC', [...values.get('/lamps/')!].map(({ key }) => key)),
  change: ({ changeType, key }) => console.log('CHANGE', changeType, key),
})

await agent.put('/lamps/kitchen', text('on'))
await agent.start()
await agent.put('/lamps/hall', text('on'))
await agent.delete('/lamps/kitchen', { waitFor: 'applied' })
await agent.close()
