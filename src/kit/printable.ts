const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
/** Control characters, line and paragraph separators, and marks that reorder what a terminal shows. */
const UNSAFE =
  // oxlint-disable-next-line no-control-regex -- they are meant
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/gu
/** The same without tab and line ends, which text may hold. */
const UNSAFE_IN_TEXT =
  // oxlint-disable-next-line no-control-regex -- they are meant
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/u

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

/**
 * A text that is safe on a terminal and stays on its line: whoever writes keys and values must not move the cursor,
 * colour the screen or answer for the user.
 */
export function printable(text: string): string {
  return text.replace(UNSAFE, escaped)
}

/** As {@link printable} for a text of several lines. */
export function printableLines(text: string): string {
  return text
    .split(/\r?\n/u)
    .map((line) => line.split('\t').map(printable).join('\t'))
    .join('\n')
}

/** The text that the bytes are in UTF-8, unless they are none or hold control characters. */
export function textOf(bytes: Uint8Array): string | undefined {
  const text = utf8Of(bytes)
  return text === undefined || UNSAFE_IN_TEXT.test(text) ? undefined : text
}

/** The text that the bytes are in UTF-8; undefined when they are none. */
export function utf8Of(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes)
  } catch {
    return undefined
  }
}

/** Cut to so many columns, the last being `…`. Wide characters count as one. */
export function clipped(text: string, columns: number): string {
  if (text.length <= columns) return text
  const characters = Array.from(text)
  return characters.length <= columns
    ? text
    : `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0
  return SHORT[character] ?? (code < 0x100 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`)
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0')
}
