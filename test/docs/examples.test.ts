import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { filesUnder, readText, ROOT } from '../support/repository.ts'
import { examplesIn } from './examples.ts'
import { typeCheck } from './type-check.ts'
import type { Complaints } from './type-check.ts'

const documents = ['README.md', 'SPEC.md', 'CONTRIBUTING.md', ...filesUnder('docs', '.md')]

describe('the TypeScript in the documents', () => {
  let found: Complaints = new Map()

  beforeAll(async () => {
    const present = documents.filter((document) => existsSync(join(ROOT, document)))
    found = await typeCheck(present.flatMap((document) => examplesIn(document, readText(document))))
  })

  it.each(documents)('compiles in %s', (document) => {
    expect(readText(document)).not.toBe('')
    expect(found.get(document) ?? []).toEqual([])
  })
})

describe('the reader of examples', () => {
  const text = (...lines: string[]): string => lines.join('\n')
  const fence = '```'

  it('keeps the line numbers, and takes only TypeScript', () => {
    const read = examplesIn(
      'a.md',
      text(
        '# A',
        `${fence}ts`,
        'one',
        fence,
        `${fence}sh`,
        'no',
        fence,
        `${fence}ts`,
        'two',
        fence,
      ),
    )
    expect(read).toEqual([
      { document: 'a.md', line: 3, code: '\n\none\nexport {}\n' },
      { document: 'a.md', line: 9, code: '\n\n\n\n\n\n\n\ntwo\nexport {}\n' },
    ])
  })

  it('joins what continues', () => {
    const read = examplesIn(
      'a.md',
      text(
        `${fence}ts`,
        'one',
        fence,
        'text',
        '<!-- continues -->',
        '',
        `${fence}ts`,
        'two',
        fence,
      ),
    )
    expect(read.map(({ code }) => code)).toEqual(['\none\n\n\n\n\n\ntwo\nexport {}\n'])
  })

  it('takes the indentation of a list away', () => {
    const read = examplesIn('a.md', text('- x', `  ${fence}ts`, '  a', '    b', `  ${fence}`))
    expect(read.map(({ code }) => code)).toEqual(['\n\na\n  b\nexport {}\n'])
  })

  it('says where a fence is wrong', () => {
    expect(() => examplesIn('a.md', text('', `${fence}ts`, 'x'))).toThrow('a.md:2 ')
    expect(() => examplesIn('a.md', text('<!-- continues -->', `${fence}ts`, fence))).toThrow(
      'a.md:2 ',
    )
  })

  it('reports an error at its line of the document', async () => {
    const example = examplesIn(
      'docs/a.md',
      text('# A', '', `${fence}ts`, 'const a: string = 1', fence),
    )
    const complaints = await typeCheck(example)
    expect(complaints.get('docs/a.md')).toEqual([
      expect.stringMatching(/^docs\/a\.md:4:7 error TS2322: /u),
    ])
  })
})
