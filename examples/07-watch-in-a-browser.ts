// A page that watches an agent through REST, with the same API as in Node: `examples/browser/page.ts`.
//   node --import tsx examples/07-watch-in-a-browser.ts --keep
// Without --keep it only shows that everything is there, and ends.
import { readFile } from 'node:fs/promises'
import { build } from 'esbuild'
import express from 'express'
import { Agent, memory } from 'rx-datasync'
import { serveRest } from 'rx-datasync/rest/server'
import { lampMessage, lamps } from './browser/lamps.ts'

const page = new URL('browser/', import.meta.url)

// The page's program with the parts of rx-datasync that it uses, as any bundler makes it.
const bundle = await build({
  entryPoints: [new URL('page.ts', page).pathname],
  bundle: true,
  format: 'esm',
  platform: 'browser',
  minify: true,
  write: false,
})
const script = bundle.outputFiles[0]?.text ?? ''

const files = express.Router()
files.get('/', async (_request, response) => {
  response.type('html').send(await readFile(new URL('page.html', page)))
})
files.get('/page.js', (_request, response) => {
  response.type('js').send(script)
})

const agent = new Agent({ transport: memory() })
agent.watch('lamps', lamps).handle({
  resync: () => {},
  change: (event) => console.log(`CHANGE ${event.changeType} ${lamps.nameOf(event.key)}`),
})
await agent.start()
await agent.put(lamps.key('kitchen'), lampMessage({ on: true }), { waitFor: 'applied' })
const server = await serveRest(agent, {
  port: 0,
  models: [lamps],
  mount: [{ path: '/', router: files }],
})

if (process.argv.includes('--keep')) {
  console.log(`open ${server.url}/ in two windows; Ctrl-C ends it`)
  const rooms = ['attic', 'cellar', 'hall']
  const timer = setInterval(() => {
    const room = rooms[Math.floor(Math.random() * rooms.length)] as string
    void agent.put(lamps.key(room), lampMessage({ on: Math.random() < 0.5 }))
  }, 1_000)
  await new Promise((resolve) => process.once('SIGINT', resolve))
  clearInterval(timer)
} else {
  const response = await fetch(`${server.url}/`)
  console.log(`the page: ${response.status}`)
  console.log(`its program: ${script.length > 10_000 ? 'bundled' : 'missing'}`)
}
await server.close()
await agent.close()
