import { Agent, compareKeys } from 'rx-datasync'
import { rest } from 'rx-datasync/rest'
import { lampMessage, lamps } from './lamps.ts'

const agent = new Agent({ transport: rest({ url: location.origin }) })
const state = document.querySelector('#state') as HTMLElement
const list = document.querySelector('#lamps') as HTMLElement

/** What the page knows: the fold of the events. */
const known = new Map<string, boolean>()

const registration = agent.watch('lamps', lamps)
registration.handle({
  resync: ({ values }) => {
    known.clear()
    for (const pair of values.get(lamps.prefix) ?? []) known.set(pair.key, pair.getValue(lamps).on)
    draw()
  },
  change: (event) => {
    if (event.changeType === 'put') known.set(event.key, event.getValue(lamps).on)
    else known.delete(event.key)
    draw()
  },
})
registration.status$.subscribe(({ state: name }) => {
  state.textContent = name
})
await agent.start()

function draw(): void {
  const rows = [...known]
    .sort(([a], [b]) => compareKeys(a, b))
    .map(([key, on]) => {
      const box = document.createElement('input')
      box.type = 'checkbox'
      box.checked = on
      box.addEventListener('change', () => void agent.put(key, lampMessage({ on: box.checked })))
      const label = document.createElement('label')
      label.append(box, ` ${lamps.nameOf(key)}`)
      const row = document.createElement('li')
      row.append(label)
      return row
    })
  list.replaceChildren(...rows)
}
