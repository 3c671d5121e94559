import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { ROOT } from '../support/repository.ts'
import { onTeardown } from '../support/teardown.ts'

/** Pictures of the pages, to be looked at by people; not committed. */
export const SCREENSHOTS: string = join(ROOT, '.cache/screenshots')

const axeSource = readFileSync(
  createRequire(import.meta.url).resolve('axe-core/axe.min.js'),
  'utf8',
)

/** A page and whatever it did that it must not. */
export interface Watched {
  readonly page: Page
  /** What the page was refused by its own policy, errors of its scripts, and dialogs that it opened. */
  readonly faults: readonly string[]
  /** Requests to anywhere else. */
  readonly foreign: readonly string[]
}

/** Opens an address in a context of its own: no storage of others. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const context = await browser.newContext({
    viewport: { width: 1360, height: 900 },
    colorScheme: 'light',
    ...options,
  })
  onTeardown(() => context.close())
  const page = await context.newPage()
  page.setDefaultTimeout(15_000)
  const faults: string[] = []
  const foreign: string[] = []
  const origin = new URL(url).origin
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) foreign.push(request.url())
  })
  page.on('pageerror', (error) => faults.push(`error: ${error.message}`))
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  await page.exposeFunction('tellViolation', (text: string) => faults.push(`policy: ${text}`))
  await page.addInitScript({
    content: `addEventListener('securitypolicyviolation', (event) =>
      tellViolation([event.violatedDirective, event.blockedURI, event.sample].join(' ')))`,
  })
  await page.goto(url)
  return { page, faults, foreign }
}

export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true })
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true })
}

/** What axe-core finds wrong, one line each. */
export async function violations(page: Page): Promise<string[]> {
  // By the debugger, not as a script of the page: its policy allows none but its own.
  const results = await page.evaluate(`(async () => {
    ${axeSource}
    const { violations } = await axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    })
    return violations.map(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => id + ': ' + html.slice(0, 200) + ' ' + failureSummary))
  })()`)
  return (results as string[][]).flat()
}
