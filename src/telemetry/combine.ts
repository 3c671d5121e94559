import type { Handling, Instrumentation } from '../api/instrumentation.ts'

/** Several as one, told in the order given: `instrumentations(metrics(), tracing())`. */
export function instrumentations(...parts: readonly Instrumentation[]): Instrumentation {
  const tracked = parts.filter((part) => part.handling !== undefined)
  return {
    ...(tracked.length === 0
      ? {}
      : {
          handling: (event) => combined(tracked.flatMap((part) => part.handling?.(event) ?? [])),
        }),
    overflow: (event) => {
      for (const part of parts) part.overflow?.(event)
    },
    reconnect: (event) => {
      for (const part of parts) part.reconnect?.(event)
    },
    changes: (event) => {
      for (const part of parts) part.changes?.(event)
    },
    write: (event) => {
      for (const part of parts) part.write?.(event)
    },
    registered: (event) => {
      for (const part of parts) part.registered?.(event)
    },
    unregistered: (event) => {
      for (const part of parts) part.unregistered?.(event)
    },
    watchers: (event) => {
      for (const part of parts) part.watchers?.(event)
    },
    attached: (event) => {
      for (const part of parts) part.attached?.(event)
    },
    detached: (event) => {
      for (const part of parts) part.detached?.(event)
    },
  }
}

function combined(handlings: readonly Handling[]): Handling {
  const around = handlings.filter((handling) => handling.within !== undefined)
  return {
    ...(around.length === 0 ? {} : { within: (receiver) => nested(around, receiver) }),
    end: (result, error) => {
      for (const handling of handlings) handling.end(result, error)
    },
  }
}

/** The first is outermost. */
function nested<T>(handlings: readonly Handling[], receiver: () => T): T {
  const [outer, ...inner] = handlings
  const rest = inner.length === 0 ? receiver : (): T => nested(inner, receiver)
  return outer?.within === undefined ? rest() : outer.within(rest)
}
