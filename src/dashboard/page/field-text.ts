/** A text as a field of a page holds it: whatever its line ends were, they are line feeds there. */
export interface FieldText {
  readonly text: string
  readonly lineEnd: '\n' | '\r\n'
}

/** Undefined where it could not be given back: its line ends are of several kinds. */
export function fieldTextOf(text: string): FieldText | undefined {
  if (!text.includes('\r')) return { text, lineEnd: '\n' }
  if (/\r(?!\n)|(?<!\r)\n/u.test(text)) return undefined
  return { text: text.replaceAll('\r\n', '\n'), lineEnd: '\r\n' }
}

/** The text with the line ends that it had. */
export function textOfField({ text, lineEnd }: FieldText): string {
  return text.replaceAll('\n', lineEnd)
}
