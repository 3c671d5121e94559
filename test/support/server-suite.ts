import { describe, it } from '@jest/globals'

/** What becomes of a suite that needs a server. */
export interface Verdict {
  readonly kind: 'run' | 'skip' | 'fail'
  readonly title: string
}

/**
 * A describe for tests that need a server; `missing` says in one sentence why there is none, undefined when there is one.
 * Without it the suite is skipped, with the reason in its title (the closing report prints it); with `CI=true` it fails.
 */
export function describeServer(
  title: string,
  missing: string | undefined,
  body: () => void,
  ci: string | undefined = process.env['CI'],
): void {
  const verdict = judge(title, missing, ci)
  const suite = verdict.kind === 'skip' ? describe.skip : describe
  suite(verdict.title, () => {
    if (verdict.kind !== 'fail') {
      body()
      return
    }
    it('has its server', () => {
      throw new Error(`with CI=true no suite is skipped: ${missing}`)
    })
  })
}

/** See {@link describeServer}. An empty `CI`, `0` and `false` count as not set. */
export function judge(title: string, missing: string | undefined, ci: string | undefined): Verdict {
  if (missing === undefined) return { kind: 'run', title }
  if (ci !== undefined && !['', '0', 'false'].includes(ci)) return { kind: 'fail', title }
  return { kind: 'skip', title: `${title} (skipped: ${missing})` }
}
