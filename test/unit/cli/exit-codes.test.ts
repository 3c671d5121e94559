import { describe, expect, it } from '@jest/globals'
import {
  AccessDeniedError,
  InvalidKeyError,
  TimeoutError,
  TransportUnavailableError,
  VersionConflictError,
} from '../../../src/api/errors.ts'
import { EXIT, EXIT_HELP, exitCodeOf, UsageError } from '../../../src/cli/exit-codes.ts'
import { readText } from '../../support/repository.ts'

describe('exit codes', () => {
  it.each([
    [new UsageError('x'), 2],
    [new InvalidKeyError('', 'it is empty'), 2],
    [new VersionConflictError('/a', '1', '2'), 4],
    [new TransportUnavailableError('redis', 'x'), 5],
    [new AccessDeniedError('redis', 'x'), 5],
    [new TimeoutError('x', 1), 6],
    [new Error('x'), 1],
    ['thrown text', 1],
  ])('%s is %i', (error, code) => {
    expect(exitCodeOf(error)).toBe(code)
  })

  it('are all in the help and in docs/cli.md', () => {
    const documented = [...readText('docs/cli.md').matchAll(/^\| (\d+) \| /gmu)].map(([, code]) =>
      Number(code),
    )
    expect(documented).toEqual(Object.values(EXIT))
    for (const code of Object.values(EXIT))
      expect(EXIT_HELP).toMatch(new RegExp(`\\b${code}\\b`, 'u'))
  })
})
