/** One example of a document: a fence, with those that continue it. */
export interface Example {
  readonly document: string
  /** The line of the first fence's first code line, from 1. */
  readonly line: number
  /** Code at the lines that it has in the document; all other lines are empty. */
  readonly code: string
}

const OPENING = /^(?<indent> *)(?<ticks>`{3,})(?<info>[^`]*)$/u
const CONTINUES = /^\s*<!--\s*continues\s*-->\s*$/u

/**
 * The TypeScript fences of a Markdown text. A fence below a line `<!-- continues -->` (empty lines between do not
 * count) belongs to the example before it.
 * @throws Error when the first fence continues, or a fence does not end
 */
export function examplesIn(document: string, text: string): Example[] {
  const lines = text.split('\n')
  const examples: { first: number; code: string[] }[] = []
  let continues = false
  for (let i = 0; i < lines.length; i++) {
    const opening = OPENING.exec(lines[i] ?? '')?.groups
    if (opening === undefined) {
      if (CONTINUES.test(lines[i] ?? '')) continues = true
      else if (lines[i]?.trim() !== '') continues = false
      continue
    }
    const end = closingLine(lines, i, opening['ticks'] ?? '')
    if (end === -1) throw new Error(`${document}:${i + 1} this fence does not end`)
    if (/^(?:ts|typescript)\b/u.test(opening['info']?.trim() ?? '')) {
      if (!continues) examples.push({ first: i + 2, code: [] })
      const example = examples.at(-1)
      if (example === undefined)
        throw new Error(`${document}:${i + 1} there is nothing to continue`)
      const indent = opening['indent']?.length ?? 0
      for (let j = i + 1; j < end; j++) example.code[j] = lines[j]?.slice(indent) ?? ''
    }
    continues = false
    i = end
  }
  return examples.map(({ first, code }) => ({
    document,
    line: first,
    // At the end, so that lines keep their numbers: a file without imports is a module too.
    code: `${Array.from(code, (line) => line ?? '').join('\n')}\nexport {}\n`,
  }))
}

function closingLine(lines: readonly string[], opening: number, ticks: string): number {
  return lines.findIndex((line, index) => index > opening && line.trim() === ticks)
}
