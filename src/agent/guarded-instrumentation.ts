import { describeError } from '../api/errors.ts'
import type { Handling, Instrumentation } from '../api/instrumentation.ts'
import type { Logger } from '../api/logger.ts'

/**
 * Telemetry that throws must cost nobody an event (W4): its errors are logged. Methods that are not there stay absent,
 * so that nothing is paid for them.
 */
export function guardedInstrumentation(inner: Instrumentation, logger: Logger): Instrumentation {
  const guard = <T>(task: () => T): T | undefined => {
    try {
      return task()
    } catch (error) {
      logger.error({ error: describeError(error) }, 'instrumentation failed')
      return undefined
    }
  }
  const tell = <E>(method: ((event: E) => void) | undefined): ((event: E) => void) | undefined =>
    method === undefined
      ? undefined
      : (event) => {
          guard(() => method(event))
        }
  const handling = inner.handling?.bind(inner)
  const methods = {
    handling:
      handling === undefined
        ? undefined
        : (event: Parameters<typeof handling>[0]) =>
            guardedHandling(
              guard(() => handling(event)),
              guard,
            ),
    overflow: tell(inner.overflow?.bind(inner)),
    reconnect: tell(inner.reconnect?.bind(inner)),
    changes: tell(inner.changes?.bind(inner)),
    write: tell(inner.write?.bind(inner)),
    registered: tell(inner.registered?.bind(inner)),
    unregistered: tell(inner.unregistered?.bind(inner)),
    watchers: tell(inner.watchers?.bind(inner)),
    attached: tell(inner.attached?.bind(inner)),
    detached: tell(inner.detached?.bind(inner)),
  }
  return Object.fromEntries(
    Object.entries(methods).filter(([, method]) => method !== undefined),
  ) as Instrumentation
}

/** `within` runs the receiver, whose errors are its own: they pass. */
function guardedHandling(
  inner: Handling | undefined,
  guard: <T>(task: () => T) => T | undefined,
): Handling {
  if (inner === undefined) return { end: () => {} }
  const within = inner.within?.bind(inner)
  return {
    ...(within === undefined ? {} : { within }),
    end: (result, error) => {
      guard(() => inner.end(result, error))
    },
  }
}
