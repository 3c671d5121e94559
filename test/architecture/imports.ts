import { posix } from 'node:path'
import { readText } from '../support/repository.ts'

/** One import or re-export line of a source file. */
export interface Import {
  readonly file: string
  readonly line: number
  /** A path from `src` without its extension for our own files, else the package: `api/errors`, `rxjs`, `node:fs`. */
  readonly target: string
  readonly ours: boolean
  readonly typeOnly: boolean
  /** `import()`, which loads when it is reached. */
  readonly dynamic: boolean
}

const STATIC =
  /^[ \t]*(?:import|export)\b(?<type>\s+type\b)?(?:[^'"`;()=]*?\bfrom)?\s*['"](?<path>[^'"]+)['"]/gmu
const DYNAMIC = /\bimport\(\s*['"](?<path>[^'"]+)['"]\s*\)/gu

/** What a file of `src` imports, read from its text. */
export function importsOf(file: string): Import[] {
  return importsIn(file, readText(file))
}

export function importsIn(file: string, text: string): Import[] {
  const found: Import[] = []
  for (const match of text.matchAll(STATIC)) found.push(toImport(file, text, match, false))
  for (const match of text.matchAll(DYNAMIC)) found.push(toImport(file, text, match, true))
  return found
}

function toImport(file: string, text: string, match: RegExpMatchArray, dynamic: boolean): Import {
  const path = match.groups?.['path'] ?? ''
  const ours = path.startsWith('.')
  return {
    file,
    line: text.slice(0, match.index).split('\n').length,
    target: ours ? inSource(file, path) : packageOf(path),
    ours,
    typeOnly: match.groups?.['type'] !== undefined,
    dynamic,
  }
}

function inSource(file: string, path: string): string {
  return posix.relative('src', posix.join(posix.dirname(file), path)).replace(/\.ts$/u, '')
}

function packageOf(path: string): string {
  if (path.startsWith('node:')) return path
  const parts = path.split('/')
  return parts.slice(0, path.startsWith('@') ? 2 : 1).join('/')
}
