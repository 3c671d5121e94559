import { existsSync, statSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { filesUnder, readText, ROOT } from '../support/repository.ts'

const documents = ['README.md', 'SPEC.md', 'CONTRIBUTING.md', 'CHANGELOG.md'].concat(
  filesUnder('docs', '.md'),
)

describe('links between the documents', () => {
  it.each(documents)('lead somewhere in %s', (document) => {
    expect(linksOf(document).filter((link) => !leadsSomewhere(document, link))).toEqual([])
  })
})

/** Links to files and headings of this repository. */
function linksOf(document: string): string[] {
  const text = readText(document)
    .replace(/^(```+).*?^\1$/gmsu, '')
    .replace(/`[^`\n]*`/gu, '')
  return [...text.matchAll(/\]\((?<link>[^)\s]+)\)/gu)]
    .map((match) => match.groups?.['link'] ?? '')
    .filter((link) => !/^[a-z]+:/u.test(link))
}

function leadsSomewhere(document: string, link: string): boolean {
  const [path = '', heading] = link.split('#')
  const target = path === '' ? document : posix.join(posix.dirname(document), path)
  if (!existsSync(join(ROOT, target))) return false
  if (heading === undefined) return true
  return statSync(join(ROOT, target)).isFile() && anchorsOf(target).includes(heading)
}

/** Headings as GitHub makes anchors of them. */
function anchorsOf(document: string): string[] {
  return [...readText(document).matchAll(/^#+ +(?<title>.+)$/gmu)].map((match) =>
    (match.groups?.['title'] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
}
