import type { Logger } from '../api/logger.ts'

/** A logger that throws must cost nobody an event (W4). */
export function guardedLogger(inner: Logger): Logger {
  const guarded =
    (level: keyof Logger) =>
    (fields: object, message: string): void => {
      try {
        inner[level](fields, message)
      } catch {
        // Nobody is left who could be told.
      }
    }
  return {
    debug: guarded('debug'),
    info: guarded('info'),
    warn: guarded('warn'),
    error: guarded('error'),
  }
}
