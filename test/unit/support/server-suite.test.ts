import { describe, expect, it } from '@jest/globals'
import { judge } from '../../support/server-suite.ts'

const title = 'Redis'
const missing = 'no redis-server in PATH'

describe('a suite that needs a server', () => {
  it.each(['true', undefined])('runs when the server is there, CI=%s', (ci) => {
    expect(judge(title, undefined, ci)).toEqual({ kind: 'run', title })
  })

  it.each([undefined, '', '0', 'false'])('is skipped with the reason, CI=%s', (ci) => {
    expect(judge(title, missing, ci)).toEqual({
      kind: 'skip',
      title: 'Redis (skipped: no redis-server in PATH)',
    })
  })

  it.each(['true', '1'])('fails when nothing may be missing, CI=%s', (ci) => {
    expect(judge(title, missing, ci)).toEqual({ kind: 'fail', title })
  })
})
