import { describe, expect, it } from '@jest/globals'
import * as errors from '../../src/api/errors.ts'
import { readText } from '../support/repository.ts'

const source = readText('src/api/errors.ts')
const union =
  /export type SyncErrorCode =(?<codes>[^;]*?)\n\n/u.exec(source)?.groups?.['codes'] ?? ''
const codes = [...union.matchAll(/'(SYNC_\w+)'/gu)].map((match) => match[1])
const docs = readText('docs/errors.md')
const sections = new Map(
  docs
    .split(/^## /mu)
    .slice(1)
    .map((text) => [text.slice(0, text.indexOf('\n')), text]),
)

describe('docs/errors.md', () => {
  it('has one heading per code, in the order of the source', () => {
    expect(codes.length).toBeGreaterThan(0)
    expect([...sections.keys()]).toEqual(codes)
  })

  it('lists every code with its class in the table', () => {
    const rows = [...docs.matchAll(/^\| \[(SYNC_\w+)\]\(#(\w+)\) \| `(\w+)` \| (yes|no) \|$/gmu)]
    expect(rows.map((row) => row[1])).toEqual(codes)
    expect(rows.map((row) => row[2])).toEqual(codes.map((code) => code?.toLowerCase()))
  })

  it.each(classes())('tells about $name where its code is', ({ name, code, fields }) => {
    const section = sections.get(code) ?? ''
    expect(section).toContain(`\`${name}\`: `)
    expect(fields.filter((field) => !section.includes(`\`${field}\``))).toEqual([])
    expect(section).toContain('Handling: ')
  })

  it('every code has its class', () => {
    expect(new Set(classes().map(({ code }) => code))).toEqual(new Set(codes))
  })
})

interface ErrorClass {
  readonly name: string
  readonly code: string
  readonly fields: readonly string[]
}

/** The exported classes with the code that each passes on, and their own fields. */
function classes(): ErrorClass[] {
  return [...source.matchAll(/^export class (\w+) extends SyncError \{\n(.*?)^\}/gmsu)].map(
    ([, name = '', body = '']) => {
      expect(errors).toHaveProperty(name)
      return {
        name,
        code: /super\(\s*'(SYNC_\w+)'/u.exec(body)?.[1] ?? '',
        fields: [...body.matchAll(/^ {2}readonly (\w+):/gmu)].map((match) => match[1] ?? ''),
      }
    },
  )
}
