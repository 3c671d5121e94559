import { logLevel } from 'kafkajs'
import type { logCreator } from 'kafkajs'
import type { Logger } from '../../api/logger.ts'

/** What of kafkajs' fields goes into the log: nothing that could hold a key, a value or a secret. */
const FIELDS = ['broker', 'clientId', 'error', 'retryCount', 'correlationId'] as const

/**
 * kafkajs' words go to the log of the transport, at debug level: what they announce is reported by error or state, too.
 */
export function driverLog(logger: Logger, transport: string): logCreator {
  return () =>
    ({ level, namespace, log }) => {
      if (level === logLevel.NOTHING) return
      const fields: Record<string, unknown> = { transport, part: namespace }
      for (const name of FIELDS) {
        const value: unknown = log[name]
        if (typeof value === 'string' || typeof value === 'number') fields[name] = value
      }
      logger.debug(fields, `kafkajs: ${log.message}`)
    }
}
