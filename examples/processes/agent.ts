// One agent without a store of its own: `agent.ts <url of the hub>`, over HTTP or gRPC.
import { Agent, TransportUnavailableError } from 'rx-datasync'
import { grpc } from 'rx-datasync/grpc'
import { rest } from 'rx-datasync/rest'
import { Interface } from '../gen/network.ts'
import { interfaces } from '../plugins/models.ts'

const [url = ''] = process.argv.slice(2)
const agent = new Agent({ transport: url.startsWith('http') ? rest({ url }) : grpc({ url }) })

const say = (text: string): void => void process.send?.(text)

agent.watch('interfaces', interfaces).handle({
  resync: ({ reason, values }) => {
    const pairs = [...(values.get(interfaces.prefix) ?? [])]
    const items = pairs.map(
      (pair) => `${interfaces.nameOf(pair.key)} ${pair.getValue(interfaces).mtu}`,
    )
    say(`RESYNC (${reason}): ${items.join(', ') || 'nothing'}`)
  },
  change: (event) => {
    const mtu = event.changeType === 'put' ? event.getValue(interfaces).mtu : 'gone'
    say(
      `CHANGE ${interfaces.nameOf(event.key)}: ${event.getPrevValue(interfaces)?.mtu ?? 'none'} -> ${mtu}`,
    )
  },
})
await agent.start()

process.on('message', ({ name, mtu }: { name: string; mtu: number }) => {
  const written = agent.put(interfaces.key(name), new Interface({ enabled: true, mtu }))
  written.catch((error: unknown) => {
    // A hub that is killed may have stored what it cannot answer any more: the next RESYNC tells.
    if (error instanceof TransportUnavailableError && error.outcome === 'unknown') return
    throw error
  })
})
process.once('disconnect', () => void agent.close())
