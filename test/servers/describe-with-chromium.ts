import { afterAll, beforeAll } from '@jest/globals'
import { chromium } from 'playwright-core'
import type { Browser } from 'playwright-core'
import { describeServer } from '../support/server-suite.ts'
import { findChromium } from './provision-chromium.ts'

const found = await findChromium()

/** A describe for tests in a real Chromium, one for the whole suite. `browser` may be called in hooks and tests. */
export function describeWithChromium(title: string, body: (browser: () => Browser) => void): void {
  const missing = found.path === undefined ? found.missing : undefined
  describeServer(title, missing, () => {
    let browser: Browser | undefined
    beforeAll(async () => {
      if (found.path === undefined) return
      browser = await chromium.launch({
        executablePath: found.path,
        // Its sandbox needs another user than root.
        chromiumSandbox: process.getuid?.() !== 0,
        args: ['--disable-dev-shm-usage', '--no-first-run'],
      })
    }, 60_000)
    afterAll(async () => {
      await browser?.close()
    })
    body(() => {
      if (browser === undefined) throw new Error('the browser was asked for before the hooks ran')
      return browser
    })
  })
}
