import { describeError } from '../api/errors.ts'
import type { Logger } from '../api/logger.ts'
import type { Notes } from './notes.ts'
import { printable } from '../kit/printable.ts'

/** Everything that is logged, as dim lines on stderr (`--verbose`). */
export function noteLogger(notes: Notes): Logger {
  const at =
    (level: string) =>
    (fields: object, message: string): void => {
      const details = Object.entries(fields).map(([name, value]) => ` ${name}=${shown(value)}`)
      notes.line(notes.colors.dim(`${level}: ${message}${details.join('')}`))
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

function shown(value: unknown): string {
  if (value instanceof Error) return printable(describeError(value))
  return typeof value === 'string' ? printable(value) : (JSON.stringify(value) ?? String(value))
}
