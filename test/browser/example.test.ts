import { expect, it } from '@jest/globals'
import { describeWithChromium } from '../servers/describe-with-chromium.ts'
import { spawnNode } from '../support/spawn-node.ts'
import { openPage, screenshot } from './dashboard-page.ts'

describeWithChromium('the example that watches in a browser', (browser) => {
  it('two pages show what either of them switches', async () => {
    const program = spawnNode('examples/07-watch-in-a-browser.ts', { args: ['--keep'] })
    let line = ''
    while (!line.startsWith('open ')) line = await program.nextLine()
    const url = /http:\S+/u.exec(line)?.[0] ?? ''
    const first = await openPage(browser(), url)
    const second = await openPage(browser(), url)
    const [mine, other] = [first, second].map(({ page }) => page.getByLabel('kitchen'))
    await mine?.waitFor()
    await other?.waitFor()
    expect(await first.page.locator('#state').textContent()).toBe('live')
    expect(await mine?.isChecked()).toBe(true)
    await mine?.uncheck()
    await second.page.getByRole('checkbox', { name: 'kitchen', checked: false }).waitFor()
    await screenshot(second.page, 'example-lamps')
    for (const { faults, foreign } of [first, second])
      expect({ faults, foreign }).toEqual({ faults: [], foreign: [] })
    await program.kill()
  })
})
