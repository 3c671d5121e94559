import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { readText, ROOT } from '../support/repository.ts'

/**
 * SPEC.md holds the rules in tables: the rule's number first in its row, and somewhere in the row the tests that enforce
 * it, in backticks: `test/unit/x.test.ts`, or `test/unit/x.test.ts › title of a test or describe`.
 */
interface Rule {
  readonly number: string
  readonly line: number
  readonly tests: readonly string[]
}

const NUMBERS = [...numbers('C', 12), ...numbers('W', 25)]

describe('SPEC.md', () => {
  it('has one row for each of C1 to C12 and W1 to W25', () => {
    const rows = readRules().map(({ number }) => number)
    expect(NUMBERS.filter((number) => !rows.includes(number))).toEqual([])
    expect(rows.filter((number, index) => rows.indexOf(number) !== index)).toEqual([])
  })

  it('names a test for every rule', () => {
    expect(
      readRules()
        .filter(({ tests }) => tests.length === 0)
        .map(at),
    ).toEqual([])
  })

  it('names only tests that exist', () => {
    const missing = namedTests().filter(({ test }) => !exists(test))
    expect(missing.map(({ line, test }) => `SPEC.md:${line} ${test}`)).toEqual([])
  })
})

function readRules(): Rule[] {
  return lines().flatMap(({ text, line }) => {
    const number = /^\|\s*\**([CW]\d+)\b/u.exec(text)?.[1]
    return number === undefined ? [] : [{ number, line, tests: testsIn(text) }]
  })
}

function namedTests(): { line: number; test: string }[] {
  return lines().flatMap(({ text, line }) => testsIn(text).map((test) => ({ line, test })))
}

/** Tests and the published suites that they run. */
function testsIn(text: string): string[] {
  return [...text.matchAll(/`((?:test|src\/testing)\/[^`]+)`/gu)].map((match) => match[1] ?? '')
}

/** The file is there, runs under `npm test`, and holds the title if one is named. */
function exists(test: string): boolean {
  const [path = '', ...titles] = test.split(/\s+›\s+/u)
  if (!existsSync(join(ROOT, path))) return false
  if (path.startsWith('test/') && !/\.(?:test|check)\.ts$/u.test(path)) return false
  const text = readText(path)
  return titles.every((title) => text.includes(title))
}

function lines(): { text: string; line: number }[] {
  return readText('SPEC.md')
    .split('\n')
    .map((text, index) => ({ text, line: index + 1 }))
}

function numbers(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)
}

function at({ number, line }: Rule): string {
  return `SPEC.md:${line} ${number}`
}
