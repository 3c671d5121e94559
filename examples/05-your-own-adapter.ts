// A transport of one's own, adapters/json-file.ts: what it needs is listing, watching and writing. The core does the rest.
//   node --import tsx examples/05-your-own-adapter.ts
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, codec, model } from 'rx-datasync'
import { JsonFile } from './adapters/json-file.ts'
import { until } from './plugins/until.ts'

const folder = await mkdtemp(join(tmpdir(), 'rx-datasync-example-'))
const path = join(folder, 'lamps.json')
// As editors do: a file that is half written would be read as a broken one.
const save = async (json: string): Promise<void> => {
  await writeFile(`${path}~`, json)
  await rename(`${path}~`, path)
}
await save('{ "/lamp/kitchen": "on" }')

const text = codec({
  encode: (value: string) => new TextEncoder().encode(value),
  decode: (bytes) => new TextDecoder().decode(bytes),
})
const lamps = model('/lamp/', text)
const state = new Map<string, string>()

const agent = new Agent({ transport: new JsonFile(path) })
agent.watch('lamps', lamps).handle({
  resync: ({ reason, values }) => {
    state.clear()
    for (const pair of values.get(lamps.prefix) ?? []) state.set(pair.key, pair.getValue(lamps))
    console.log(`RESYNC (${reason}): ${JSON.stringify([...state])}`)
  },
  change: (event) => {
    if (event.changeType === 'put') state.set(event.key, event.getValue(lamps))
    else state.delete(event.key)
    const before = event.getPrevValue(lamps) ?? 'none'
    console.log(`CHANGE ${event.key}: ${before} -> ${state.get(event.key) ?? 'none'}`)
  },
})
await agent.start()

console.log('-- somebody edits the file')
await save('{ "/lamp/kitchen": "off", "/lamp/hall": "on" }')
await until('the hall is lit', () => state.has('/lamp/hall'))

console.log('-- the agent writes')
await agent.put(lamps.key('attic'), text.message('on'))
await until('the attic is lit', () => state.has('/lamp/attic'))
console.log(await readFile(path, 'utf8'))

console.log('-- a typing error loses nothing: the last good state is kept until the file is mended')
await save('{ "/lamp/kitchen": "o')
await until('it is noticed', () => agent.health().status === 'degraded')
await save('{ "/lamp/kitchen": "on" }')
await until('it is mended', () => state.size === 1)

await agent.close()
await rm(folder, { recursive: true })
