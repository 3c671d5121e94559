// A watch on a store in memory: first everything that is there (RESYNC), then every change.
//   node --import tsx examples/01-first-steps.ts
import { Agent, memory, raw } from 'rx-datasync'

const on = raw(new TextEncoder().encode('on'))
const agent = new Agent({ transport: memory() })

agent.watch('lamps', '/lamp/').handle({
  resync: ({ values }) => console.log('RESYNC', [...(values.get('/lamp/') ?? [])].length, 'lamp'),
  change: ({ changeType, key }) => console.log('CHANGE', changeType, key),
})

await agent.put('/lamp/kitchen', on)
await agent.start()
await agent.put('/lamp/hall', on)
await agent.delete('/lamp/kitchen', { waitFor: 'applied' })
await agent.close()
