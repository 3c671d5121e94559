import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals'
import express from 'express'
import type { Page } from 'playwright-core'
import { dashboard, serveDashboard } from '../../src/dashboard/index.ts'
import type { DashboardOptions } from '../../src/dashboard/index.ts'
import type { StateMessage } from '../../src/dashboard/protocol.ts'
import { memory, raw } from '../../src/index.ts'
import { FakeClock } from '../../src/testing/index.ts'
import type { Agent } from '../../src/index.ts'
import { describeWithChromium } from '../servers/describe-with-chromium.ts'
import { freePort } from '../support/free-port.ts'
import { openLink } from '../support/link.ts'
import { onTeardown } from '../support/teardown.ts'
import { text } from '../../src/testing/text.ts'
import { waitFor } from '../support/wait-for.ts'
import { openPage, screenshot, SCREENSHOTS, violations } from './dashboard-page.ts'
import type { Watched } from './dashboard-page.ts'
import { interfaces, models, networkAgent, routes, settings } from './network-agent.ts'

/** An agent that runs, and its page where an application mounts it. */
interface Setup {
  readonly agent: Agent
  readonly url: string
  readonly server: Server
}

async function setUp(
  options: DashboardOptions = {},
  { agent = networkAgent(), port = 0 }: { agent?: Agent; port?: number } = {},
): Promise<Setup> {
  onTeardown(() => agent.close())
  const app = express()
  app.use('/dashboard', dashboard(agent, { title: 'edge-1', models, ...options }))
  const server = createServer(app)
  onTeardown(() => stop(server))
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  await seed(agent)
  await agent.start()
  const address = server.address()
  const own = typeof address === 'object' ? address?.port : undefined
  return { agent, server, url: `http://127.0.0.1:${own}/dashboard` }
}

async function seed(agent: Agent): Promise<void> {
  await agent.put(interfaces.key('eth0'), settings.message({ name: 'eth0', mtu: 1500, up: true }))
  await agent.put(interfaces.key('eth1'), settings.message({ name: 'eth1', mtu: 9000, up: true }))
  await agent.put(routes.key('default'), settings.message({ via: '10.0.0.1', dev: 'eth0' }))
  await agent.put('/notes/readme', text('Edge router, second floor.'))
  await agent.put('/state/blob', raw(Uint8Array.from({ length: 90 }, (_, i) => (i * 37) % 256)))
}

/** Names, keys and errors without a place to break a line. */
function agentOfLongNames(): Agent {
  const long = 'x'.repeat(200)
  const agent = networkAgent({ transport: memory({ name: `memory-${long}` }) })
  agent.use({
    name: `plugin-${long}`,
    init: (context) => {
      const refuse = (): never => {
        throw new Error(long.repeat(20))
      }
      context.watch(`registration-${long}`, `/${long}/`).handle({ resync: refuse })
    },
  })
  return agent
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

function rowOf(page: Page, name: string) {
  return page.getByRole('row').filter({ has: page.getByRole('rowheader', { name, exact: false }) })
}

const toastOf = (page: Page) => page.locator('.toast')

const connected = (page: Page) => page.getByText('connected', { exact: true })

describeWithChromium('the dashboard in Chromium', (browser) => {
  const open = async (url: string, options = {}): Promise<Watched> =>
    openPage(browser(), url, options)

  afterAll(() => {
    process.stdout.write(`Screenshots of the dashboard: ${SCREENSHOTS}\n`)
  })

  describe('what an agent does', () => {
    let setup: Setup
    let watched: Watched
    let page: Page

    beforeAll(async () => {
      setup = await setUp()
      watched = await open(setup.url)
      page = watched.page
      await connected(page).waitFor()
    }, 60_000)

    afterAll(() => {
      expect(watched.faults).toEqual([])
      expect(watched.foreign).toEqual([])
    })

    it('shows plugins and registrations in their order, with their state', async () => {
      expect(page.url()).toBe(`${setup.url}/`)
      await expect(page.title()).resolves.toBe('Overview · edge-1')
      const groups = await page.locator('.group-title bdi').allTextContents()
      expect(groups).toEqual(['interfaces', 'routes', 'announcer'])
      const table = page.getByRole('region', { name: 'Plugins and registrations' })
      const names = await table.locator('th[scope=row] > bdi').allTextContents()
      // The program registered its own before the plugins did.
      expect(names).toEqual(['audit', 'interfaces', 'routes', 'announcer'])
      const places = await table.locator('tbody td.num:first-child').allTextContents()
      expect(places).toEqual(['1', '2', '3', '4'])
      await expect(rowOf(page, 'interfaces').last().innerText()).resolves.toMatch(
        /live[\s\S]*\/config\/interfaces\/[\s\S]*acked \(startup\)[\s\S]*2 pairs/u,
      )
      await screenshot(page, 'overview-light')
    })

    it('shows a refusal with its text, at once', async () => {
      const refused = setup.agent.put(
        interfaces.key('eth0'),
        settings.message({ name: 'eth0', mtu: 20 }),
        { waitFor: 'applied' },
      )
      await expect(refused).rejects.toMatchObject({ code: 'SYNC_REFUSED' })
      await rowOf(page, 'interfaces').getByText('backing off').waitFor()
      await rowOf(page, 'interfaces')
        .getByText('Refused: mtu 20 is too small, at least 68')
        .waitFor()
      const refusals = page.getByRole('region', { name: 'Refusals' })
      await expect(refusals.innerText()).resolves.toContain('CHANGE /config/interfaces/eth0')
      await screenshot(page, 'refused-light')
      await page.emulateMedia({ colorScheme: 'dark' })
      await screenshot(page, 'refused-dark')
      await page.emulateMedia({ colorScheme: 'light' })
    })

    it('RESYNCs one registration, or all, at a button', async () => {
      await setup.agent.put(interfaces.key('eth0'), settings.message({ name: 'eth0', mtu: 1500 }))
      await page.getByRole('button', { name: 'RESYNC routes', exact: true }).click()
      await toastOf(page).getByText('RESYNC of 1 registration: all acked').waitFor()
      await page.getByRole('button', { name: 'RESYNC all' }).click()
      await page
        .locator('.toast')
        .getByText(/RESYNC of 4 registrations: all acked|RESYNC: /u)
        .waitFor()
    })

    it('shows the turns of a run in order, as a picture and as a table', async () => {
      await page.getByRole('link', { name: 'RESYNC runs' }).click()
      const runs = page.getByRole('region', { name: 'Runs', exact: true }).getByRole('button')
      await waitFor(async () => (await runs.count()) >= 3)
      await runs.filter({ hasText: 'startup' }).click()
      const names = await page.locator('.timeline tbody th bdi').allTextContents()
      expect(names).toEqual(['audit', 'interfaces', 'routes', 'announcer'])
      const ends = await page
        .locator('.lane-picture rect')
        .evaluateAll((bars) => bars.map((bar) => Number(bar.getAttribute('x'))))
      expect(ends).toEqual(ends.toSorted((a, b) => a - b))
      const outcomes = await page.locator('.timeline .badge').allTextContents()
      expect(outcomes).toEqual(['acked', 'acked', 'acked', 'acked'])
    })

    it('shows how long turns took, and why one was refused', async () => {
      const agent = networkAgent({}, 40)
      await agent.put(interfaces.key('bad'), settings.message({ mtu: 3 }))
      const slow = await setUp({}, { agent })
      const { page: other } = await open(`${slow.url}/#runs`)
      const row = other.locator('.timeline tbody tr').filter({ hasText: 'interfaces' })
      await row.getByText('refused', { exact: true }).waitFor()
      await row.getByText('mtu 3 is too small, at least 68').waitFor()
      const bars = await other
        .locator('.lane-picture rect')
        .evaluateAll((all) =>
          all.map((bar) => [Number(bar.getAttribute('x')), Number(bar.getAttribute('width'))]),
        )
      const [, first = [0, 0], second = [0, 0]] = bars
      expect(second[0]).toBeCloseTo((first[0] ?? 0) + (first[1] ?? 0), 3)
      // On a busy machine either turn may have been the longer one.
      const { runs } = (await (await fetch(`${slow.url}/api/state`)).json()) as StateMessage
      const [, ...took] = runs[0]?.turns.map(({ durationMs }) => durationMs) ?? []
      expect((second[1] ?? 0) / (first[1] ?? 0)).toBeCloseTo((took[1] ?? 0) / (took[0] ?? 0), 3)
      await screenshot(other, 'run-timeline-light')
      await other.emulateMedia({ colorScheme: 'dark' })
      await screenshot(other, 'run-timeline-dark')
    })

    it('shows events as they come, filtered, and holds them while it is paused', async () => {
      await page.getByRole('link', { name: 'Events' }).click()
      await page.getByLabel('Watch changes under the prefix').fill('/config/')
      await page.getByText('watching: 3 keys now').waitFor()
      const { agent } = setup
      await agent.put('/notes/other', text('not under the prefix'))
      await agent.put(routes.key('office'), settings.message({ via: '10.0.0.9', dev: 'eth1' }))
      await agent.delete(routes.key('office'))
      const lines = page.locator('.events tbody tr')
      await lines.filter({ hasText: 'delete' }).first().waitFor()
      const put = lines.filter({ hasText: '/config/routes/office' }).last()
      await expect(put.innerText()).resolves.toContain('{ "via": "10.0.0.9", "dev": "eth1" }')
      await expect(lines.filter({ hasText: '/notes/' }).count()).resolves.toBe(0)
      await screenshot(page, 'events-live-light')

      await page.getByLabel('Show lines with').fill('office')
      await waitFor(async () => (await lines.count()) === 2)
      await page.getByRole('checkbox', { name: 'delete' }).uncheck()
      await waitFor(async () => (await lines.count()) === 1)
      await page.getByRole('checkbox', { name: 'delete' }).check()
      await page.getByLabel('Show lines with').fill('')

      await page.getByRole('button', { name: 'Pause' }).click()
      const before = await lines.count()
      await agent.put(routes.key('held'), settings.message({ via: '10.0.0.2' }))
      await page.getByRole('button', { name: 'Go on (1 new)' }).waitFor()
      await expect(lines.count()).resolves.toBe(before)
      await page.getByRole('button', { name: 'Go on (1 new)' }).click()
      await lines.filter({ hasText: '/config/routes/held' }).waitFor()
      await agent.delete(routes.key('held'))
      await lines.filter({ hasText: '/config/routes/held' }).nth(1).waitFor()
    })

    it('keeps a bounded number of lines, whatever the rate', async () => {
      for (let i = 0; i < 3_000; i++) {
        await setup.agent.put(routes.key(`burst-${i % 10}`), settings.message({ i }))
      }
      await page
        .getByText(/more changes? came too fast to be shown/u)
        .first()
        .waitFor()
      const lines = page.locator('.events tbody tr')
      await expect(lines.count()).resolves.toBeLessThanOrEqual(500)
      await setup.agent.delete(`${routes.prefix}burst-`, { prefix: true })
    })
  })

  describe('keys', () => {
    let setup: Setup
    let watched: Watched
    let page: Page

    beforeAll(async () => {
      setup = await setUp()
      watched = await open(`${setup.url}/#keys`)
      page = watched.page
      await connected(page).waitFor()
    }, 60_000)

    afterAll(() => {
      expect(watched.faults).toEqual([])
      expect(watched.foreign).toEqual([])
    })

    const list = () => page.locator('.key-item')
    const show = async (prefix: string): Promise<void> => {
      await page.getByLabel('Keys that begin with').fill(prefix)
      await page.getByRole('button', { name: 'List', exact: true }).click()
    }
    const value = () => page.locator('pre.value').first()

    it('are listed page by page', async () => {
      for (let i = 0; i < 250; i++) {
        await setup.agent.put(`/many/${String(i).padStart(3, '0')}`, text(`value ${i}`))
      }
      await show('/many/')
      await page.getByText('100 keys, and more').waitFor()
      await expect(list().count()).resolves.toBe(100)
      await page.getByRole('button', { name: 'Next' }).click()
      await list().filter({ hasText: '/many/100' }).waitFor()
      await page.getByRole('button', { name: 'Next' }).click()
      await page.getByText('page 3, 50 keys, read').waitFor()
      await expect(list().last().innerText()).resolves.toContain('/many/249')
      await page.getByRole('button', { name: 'Previous' }).click()
      await page.getByText('page 2, 100 keys, and more').waitFor()
    })

    it('are shown as JSON by their model, as text, or in hex', async () => {
      await show('')
      await list().filter({ hasText: '/config/interfaces/eth0' }).click()
      await page.getByText('JSON by the model /config/interfaces/').waitFor()
      await expect(value().innerText()).resolves.toBe(
        JSON.stringify({ name: 'eth0', mtu: 1500, up: true }, undefined, 2),
      )
      await screenshot(page, 'key-json-light')
      await page.getByRole('button', { name: '/config/', exact: true }).click()
      await page.getByText('3 keys, read').waitFor()
      await show('/notes/')
      await list().filter({ hasText: '/notes/readme' }).click()
      await page.getByText('UTF-8 text').waitFor()
      await expect(value().innerText()).resolves.toBe('Edge router, second floor.')
      await show('/state/')
      await list().filter({ hasText: '/state/blob' }).click()
      await page.getByText('binary, in hex').waitFor()
      await expect(value().innerText()).resolves.toMatch(/^00 25 4a 6f[\s\S]* b8 dd$/u)
    })

    it('are edited; a refusal by the receivers is told', async () => {
      await show('/config/')
      await list().filter({ hasText: 'eth1' }).click()
      await page.getByRole('button', { name: 'Edit' }).click()
      await page.getByLabel('Value', { exact: true }).fill('{"name":"eth1","mtu":1400}')
      await screenshot(page, 'key-edit-light')
      await page.getByRole('button', { name: 'Save' }).click()
      await toastOf(page)
        .getByText('Stored /config/interfaces/eth1, applied by 2 receivers')
        .waitFor()
      await waitFor(async () => (await value().innerText()).includes('1400'))
      const stored = await setup.agent.get(interfaces.key('eth1'))
      expect(stored?.getValue(settings)).toEqual({ name: 'eth1', mtu: 1400 })

      await page.getByRole('button', { name: 'Edit' }).click()
      await page.getByLabel('Value', { exact: true }).fill('{"mtu":')
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByRole('alert').getByText('the value does not fit its model').waitFor()
      await page.getByLabel('Value', { exact: true }).fill('{"mtu":7}')
      await page.getByRole('button', { name: 'Save' }).click()
      await toastOf(page)
        .getByText('stored, but refused by interfaces (mtu 7 is too small, at least 68)')
        .waitFor()
      await screenshot(page, 'key-refused-light')
      await setup.agent.put(interfaces.key('eth1'), settings.message({ name: 'eth1', mtu: 9000 }))
    })

    it('are not overwritten unseen: a conflict shows both, and the user decides', async () => {
      await show('/notes/')
      await list().filter({ hasText: '/notes/readme' }).click()
      await page.getByRole('button', { name: 'Edit' }).click()
      await page.getByLabel('Value', { exact: true }).fill('mine')
      await setup.agent.put('/notes/readme', text('theirs'))
      await page.getByRole('button', { name: 'Save' }).click()
      const conflict = page
        .getByRole('alert')
        .filter({ hasText: 'somebody else has changed it meanwhile' })
      await conflict.getByText('theirs', { exact: true }).waitFor()
      await screenshot(page, 'key-conflict-light')
      expect((await setup.agent.get('/notes/readme'))?.bytes).toEqual(
        new TextEncoder().encode('theirs'),
      )

      await page.getByRole('button', { name: 'Overwrite theirs with mine' }).click()
      await toastOf(page).getByText('Stored /notes/readme').waitFor()
      expect((await setup.agent.get('/notes/readme'))?.bytes).toEqual(
        new TextEncoder().encode('mine'),
      )

      await page.getByRole('button', { name: 'Edit' }).click()
      await page.getByLabel('Value', { exact: true }).fill('again')
      await setup.agent.delete('/notes/readme')
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByText('Not saved: the key was deleted meanwhile.').waitFor()
      await page.getByRole('button', { name: 'Make it again with my value' }).click()
      await waitFor(async () => (await setup.agent.get('/notes/readme')) !== undefined)
    })

    it('keep their line ends', async () => {
      const stored = async (key: string): Promise<string> =>
        new TextDecoder().decode((await setup.agent.get(key))?.bytes)
      await setup.agent.put('/notes/dos', text('one\r\ntwo'))
      await setup.agent.put('/notes/mixed', text('one\r\ntwo\n'))
      await show('/notes/')
      await list().filter({ hasText: '/notes/dos' }).click()
      await page.getByRole('button', { name: 'Edit' }).click()
      await page.getByLabel('Value', { exact: true }).fill('one\ntwo\nthree')
      await page.getByLabel('Value as').selectOption('hex')
      await page.getByLabel('Value as').selectOption('text')
      await page.getByRole('button', { name: 'Save' }).click()
      await toastOf(page).getByText('Stored /notes/dos').waitFor()
      expect(await stored('/notes/dos')).toBe('one\r\ntwo\r\nthree')
      await list().filter({ hasText: '/notes/mixed' }).click()
      await page.getByRole('button', { name: 'Edit' }).click()
      await expect(page.getByLabel('Value as').inputValue()).resolves.toBe('hex')
      await page.getByLabel('Value as').selectOption('text')
      await page.getByRole('alert').getByText('line ends, of several kinds').waitFor()
      await page.getByRole('button', { name: 'Save' }).click()
      await toastOf(page).getByText('Stored /notes/mixed').waitFor()
      expect(await stored('/notes/mixed')).toBe('one\r\ntwo\n')
    })

    it('that receivers are slow with are stored all the same, and that is said', async () => {
      const clock = new FakeClock()
      const agent = networkAgent({ clock })
      let asked = false
      agent.watch('slow', '/slow/', { doneTimeoutMs: { change: 0 } }).handle({
        change: ({ signal }) => {
          asked = true
          return new Promise((_resolve, reject) => {
            signal.addEventListener('abort', () => reject(new Error('over')))
          })
        },
      })
      const { url } = await setUp({}, { agent })
      const { page: own } = await open(`${url}/#keys`)
      await own.getByRole('button', { name: 'New key' }).click()
      await own.getByLabel('Key', { exact: true }).fill('/slow/a')
      await own.getByLabel('Value', { exact: true }).fill('x')
      await own.getByRole('button', { name: 'Save' }).click()
      await waitFor(() => asked)
      clock.advance(10_000)
      await toastOf(own).getByText('/slow/a: stored, but').waitFor()
      await own.locator('pre.value').getByText('x', { exact: true }).waitFor()
    })

    it('are not deleted unseen either', async () => {
      await show('/notes/')
      await list().filter({ hasText: '/notes/readme' }).click()
      await page.getByRole('button', { name: 'Delete' }).waitFor()
      await setup.agent.put('/notes/readme', text('newer'))
      await page.getByRole('button', { name: 'Delete' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
      await page.getByText('Not deleted: somebody else has changed it meanwhile.').waitFor()
      await waitFor(async () => (await value().innerText()) === 'newer')
      await page.getByRole('button', { name: 'Delete' }).click()
      await screenshot(page, 'key-delete-light')
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
      await page.getByText('There is no such key any more.').waitFor()
      expect(await setup.agent.get('/notes/readme')).toBeUndefined()
    })

    it('are made, but not over one that is there', async () => {
      await page.getByRole('button', { name: 'New key' }).click()
      await page.getByLabel('Key', { exact: true }).fill('/notes/fresh')
      await page.getByLabel('Value as').selectOption('base64')
      await page.getByLabel('Value', { exact: true }).fill('AAEC/w==')
      await page.getByRole('button', { name: 'Save' }).click()
      await toastOf(page).getByText('Stored /notes/fresh').waitFor()
      const stored = await setup.agent.get('/notes/fresh')
      expect(stored?.bytes).toEqual(Uint8Array.of(0, 1, 2, 255))

      await page.getByRole('button', { name: 'New key' }).click()
      await page.getByLabel('Key', { exact: true }).fill('/notes/fresh')
      await page.getByRole('button', { name: 'Save' }).click()
      await page.getByText('Not saved: there is such a key already.').waitFor()
      await page.getByRole('button', { name: 'Open the key that is there' }).click()
      await page.getByText('binary, in hex').waitFor()
    })

    it('and what was typed are not lost by a click', async () => {
      await page.getByRole('button', { name: 'Edit' }).click()
      await page.getByLabel('Value', { exact: true }).fill('ff')
      await list().first().click()
      await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
      await expect(page.getByLabel('Value', { exact: true }).inputValue()).resolves.toBe('ff')
      await page.getByRole('button', { name: 'Cancel' }).click()
    })

    it('and values of others are text, never part of the page', async () => {
      const bad = '"><img src=x onerror="document.title=1"><script>document.title=2</script>'
      await setup.agent.put(`/xss/${bad}`, text(bad))
      await setup.agent.put(`/xss/\u202egnp.exe`, text(`safe`))
      await setup.agent.put(interfaces.key(bad), settings.message({ name: bad }))
      await show('/xss/')
      await list().filter({ hasText: 'onerror' }).click()
      await waitFor(async () => (await value().innerText()) === bad)
      await expect(page.locator('#key-title').innerText()).resolves.toBe(`/xss/${bad}`)
      await expect(list().last().innerText()).resolves.toContain('/xss/\\u202egnp.exe')
      await setup.agent
        .put(interfaces.key(bad), settings.message({ mtu: 1, name: bad }), { waitFor: 'applied' })
        .catch(() => {})
      await page.getByRole('link', { name: 'Overview' }).click()
      await page.getByText(`CHANGE /config/interfaces/${bad}`).first().waitFor()
      await expect(page.title()).resolves.toBe('Overview · edge-1')
      await expect(page.locator('img, main script').count()).resolves.toBe(0)
      await setup.agent.delete(interfaces.key(bad))
      await page.getByRole('link', { name: 'Keys' }).click()
    })
  })

  describe('people', () => {
    it('who have a keyboard only can do everything, and see where they are', async () => {
      const setup = await setUp()
      const { page, faults } = await open(setup.url)
      await connected(page).waitFor()
      const focused = (): Promise<string> =>
        page.evaluate(`(() => {
          const { activeElement: it } = document
          const { outlineStyle, outlineWidth } = getComputedStyle(it)
          const ring = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2
          return (ring ? '' : 'unseen ') + it.tagName + ' ' + (it.getAttribute('aria-label') ?? it.innerText ?? '').trim()
        })()`)
      /** Goes on by Tab until the focus is there. */
      const tabTo = async (wanted: RegExp): Promise<void> => {
        for (let i = 0; i < 60; i++) {
          await page.keyboard.press('Tab')
          const now = await focused()
          expect(now).not.toMatch(/^unseen/u)
          if (wanted.test(now)) return
        }
        throw new Error(`no way to ${wanted}; at ${await focused()}`)
      }
      await tabTo(/Skip to the content/u)
      await tabTo(/^A Keys/u)
      await page.keyboard.press('Enter')
      await page.locator('.key-item').first().waitFor()
      // The focus is in what was asked for.
      await waitFor(async () => (await page.evaluate('document.activeElement.id')) === 'main')
      await tabTo(/config\/interfaces\/eth0/u)
      await page.keyboard.press('Enter')
      await page.locator('pre.value').waitFor()
      await tabTo(/^BUTTON Edit/u)
      await page.keyboard.press('Enter')
      await page.getByLabel('Value', { exact: true }).waitFor()
      await waitFor(async () => (await focused()).startsWith('TEXTAREA'))
      await page.keyboard.press('Control+A')
      await page.keyboard.type('{"name":"eth0","mtu":1280}')
      await page.keyboard.press('Control+Enter')
      await toastOf(page).getByText('Stored /config/interfaces/eth0').first().waitFor()
      await waitFor(async () => (await focused()).startsWith('H2'))
      await tabTo(/^BUTTON Delete/u)
      await page.keyboard.press('Enter')
      await page.getByRole('dialog').waitFor()
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
      await waitFor(async () => (await focused()).startsWith('BUTTON Delete'))
      // No trap: Tab leads through everything, and out at the end.
      let steps = 0
      while (!(await focused()).replace('unseen ', '').startsWith('BODY') && steps < 80) {
        await page.keyboard.press('Tab')
        steps++
      }
      expect(steps).toBeLessThan(80)
      const stored = await setup.agent.get(interfaces.key('eth0'))
      expect(stored?.getValue(settings)).toEqual({ name: 'eth0', mtu: 1280 })
      expect(faults).toEqual([])
    })

    it.each(['light', 'dark'] as const)('find nothing in their way (axe), %s', async (theme) => {
      const setup = await setUp()
      await setup.agent
        .put(interfaces.key('eth0'), settings.message({ mtu: 1 }), { waitFor: 'applied' })
        .catch(() => {})
      const { page, faults } = await open(setup.url)
      await connected(page).waitFor()
      await page.getByLabel('Theme').selectOption(theme)
      await page.getByText('backing off').waitFor()
      expect(await violations(page)).toEqual([])
      for (const view of ['runs', 'events', 'keys']) {
        await page.evaluate(`location.hash = '${view}'`)
        await page.locator('main .panel').first().waitFor()
        if (view === 'events') await page.locator('.events').waitFor()
        if (view === 'keys') await page.locator('.key-item').first().click()
        expect(await violations(page)).toEqual([])
        await screenshot(page, `${view}-${theme}`)
      }
      await page.getByRole('button', { name: 'Edit' }).click()
      expect(await violations(page)).toEqual([])
      await page.getByRole('button', { name: 'Cancel' }).click()
      await page.getByRole('button', { name: 'Delete' }).click()
      expect(await violations(page)).toEqual([])
      expect(faults).toEqual([])
    })

    it.each([
      ['', networkAgent],
      [', with the longest names and errors', agentOfLongNames],
    ])('with a narrow screen get it all, without scrolling sideways%s', async (_, agentOf) => {
      const setup = await setUp({}, { agent: agentOf() })
      const { page } = await open(setup.url, { viewport: { width: 360, height: 740 } })
      await connected(page).waitFor()
      for (const view of ['overview', 'runs', 'events', 'keys']) {
        await page.evaluate(`location.hash = '${view}'`)
        await page.getByRole('main', { name: /./u }).waitFor()
        if (view === 'keys') await page.locator('.key-item').first().click()
        await page.locator('main .panel').first().waitFor()
        await expect(
          page.evaluate(
            'document.documentElement.scrollWidth - document.documentElement.clientWidth',
          ),
        ).resolves.toBe(0)
        if (agentOf === networkAgent) await screenshot(page, `${view}-narrow`)
      }
    })

    it('who follow a link from far below begin at the top of what it leads to', async () => {
      const agent = networkAgent()
      for (let i = 0; i < 60; i++) agent.watch(`late ${i}`, `/late/${i}/`).handle({})
      const refused = agent.watch('talkative', '/talkative/')
      refused.handle({
        change: () => {
          throw new Error('too much to say '.repeat(200))
        },
      })
      const setup = await setUp({}, { agent })
      await setup.agent.put('/talkative/a', text('x'), { waitFor: 'applied' }).catch(() => {})
      const { page, faults } = await open(setup.url)
      const row = rowOf(page, 'talkative').first()
      await row.getByText('too much to say').waitFor()
      // An endless error leaves room for the others.
      expect((await row.boundingBox())?.height).toBeLessThan(160)
      await page.getByRole('link', { name: '/late/59/', exact: true }).click()
      await page.getByLabel('Keys that begin with').waitFor()
      await waitFor(async () => (await page.evaluate('scrollY')) === 0)
      await expect(page.getByLabel('Keys that begin with').inputValue()).resolves.toBe('/late/59/')
      expect(faults).toEqual([])
    })

    it('sign in where it is asked for, and see and do what they may', async () => {
      const access = [
        { name: 'ops', token: 'a-token-of-operations', read: [''], write: ['/config/'] },
        { name: 'guest', token: 'a-token-of-somebody', read: ['/config/routes/'] },
      ]
      const setup = await setUp({ access })
      const { page, faults } = await open(setup.url)
      await page.getByText('not signed in').waitFor()
      await screenshot(page, 'sign-in-light')
      expect(await violations(page)).toEqual([])
      await page.getByLabel('Token').fill('a-token-that-is-wrong')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await page.getByText('the token is not known here').waitFor()

      await page.getByLabel('Token').fill('a-token-of-somebody')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await connected(page).waitFor()
      await rowOf(page, 'interfaces').getByText('not for you to see').waitFor()
      await expect(page.getByRole('button', { name: /RESYNC/u }).count()).resolves.toBe(0)
      await page.getByRole('link', { name: 'Keys' }).click()
      await page.locator('.key-item').first().click()
      await page.getByText('You may read it only.').waitFor()
      await expect(page.getByRole('button', { name: 'New key' }).count()).resolves.toBe(0)
      // It stays in this tab, also when the page is loaded again.
      await page.reload()
      await connected(page).waitFor()
      await page.getByRole('button', { name: 'Sign out guest' }).click()

      await page.getByLabel('Token').fill('a-token-of-operations')
      await page.getByRole('button', { name: 'Sign in' }).click()
      await connected(page).waitFor()
      await page.evaluate('location.hash = "keys"')
      await page.locator('.key-item').filter({ hasText: '/notes/readme' }).click()
      await page.getByText('You may read it only.').waitFor()
      await page.locator('.key-item').filter({ hasText: 'eth0' }).first().click()
      await page.getByRole('button', { name: 'Edit' }).waitFor()
      await expect(page.evaluate('localStorage.length + document.cookie.length')).resolves.toBe(1)
      expect(faults).toEqual([])
    })
  })

  describe('a connection', () => {
    it('that is lost is told, and mends itself with the state of the agent that is there then', async () => {
      const port = await freePort()
      const first = await setUp({}, { port })
      const { page, faults } = await open(first.url)
      await connected(page).waitFor()
      await rowOf(page, 'routes').getByText('live', { exact: true }).waitFor()

      await first.agent.close()
      await page.getByText('No connection to the agent').waitFor()
      await rowOf(page, 'routes').getByText('was ').waitFor()
      await stop(first.server)
      await page.getByText('What is shown is as of').waitFor()

      const agent = networkAgent()
      agent.watch('added', '/added/').handle({})
      const second = await setUp({}, { agent, port })
      await rowOf(page, 'added').getByText('live', { exact: true }).waitFor({ timeout: 20_000 })
      await connected(page).waitFor()
      await expect(page.getByText('No connection to the agent').count()).resolves.toBe(0)
      await page.getByRole('button', { name: 'RESYNC added', exact: true }).click()
      await toastOf(page).getByText('RESYNC of 1 registration: all acked').waitFor()
      expect(second.agent.health().status).toBe('ok')
      expect(faults).toEqual([])
    })

    it('that is back to another agent shows its keys, and keeps what is being typed', async () => {
      const port = await freePort()
      const first = await setUp({}, { port })
      const looking = await open(`${first.url}/#keys`)
      const typing = await open(`${first.url}/#keys`)
      for (const { page } of [looking, typing]) {
        await page.locator('.key-item').filter({ hasText: '/notes/readme' }).click()
        await page.locator('pre.value').getByText('second floor').waitFor()
      }
      await typing.page.getByRole('button', { name: 'Edit' }).click()
      await typing.page.getByLabel('Value', { exact: true }).fill('half a sent')
      await stop(first.server)
      await first.agent.close()

      const agent = networkAgent()
      await agent.put('/notes/first', text('other versions'))
      const second = await setUp({}, { agent, port })
      await second.agent.put('/notes/readme', text('Third floor.'))
      await looking.page.locator('.key-item').filter({ hasText: '/notes/first' }).waitFor()
      await looking.page.locator('pre.value').getByText('Third floor.').waitFor()

      await typing.page.locator('.key-item').filter({ hasText: '/notes/first' }).waitFor()
      const field = typing.page.getByLabel('Value', { exact: true })
      await expect(field.inputValue()).resolves.toBe('half a sent')
      await typing.page.getByRole('button', { name: 'Save' }).click()
      await typing.page.getByText('somebody else has changed it meanwhile').waitFor()
      await typing.page.getByText('Third floor.').first().waitFor()
      for (const { faults } of [looking, typing]) expect(faults).toEqual([])
    })

    it('that is held open without a word is not taken for a live one', async () => {
      const { agent } = await setUp()
      await using own = await serveDashboard(agent)
      const link = await openLink({ port: Number(new URL(own.url).port) })
      onTeardown(() => link.close())
      const { page } = await open(`http://127.0.0.1:${link.port}/`)
      await connected(page).waitFor()
      link.hold('both')
      await page.getByText('No connection to the agent').waitFor()
      await page.getByText('the agent is silent').waitFor()
      await rowOf(page, 'routes').getByText('was live').waitFor()
      await expect(page.getByText('live', { exact: true }).count()).resolves.toBe(0)
      await screenshot(page, 'silent-light')
      expect(await violations(page)).toEqual([])
      link.release('both')
      await connected(page).waitFor({ timeout: 20_000 })
      await link.close()
    })
  })
})
