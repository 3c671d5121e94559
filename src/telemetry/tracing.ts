import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { Span, Tracer } from '@opentelemetry/api'
import { describeError } from '../api/errors.ts'
import type { EventResult, Handling, Instrumentation } from '../api/instrumentation.ts'
import { checkOptions, isObject } from '../api/options.ts'

export interface TracingOptions {
  /** The tracer named `rx-datasync` of the global provider. */
  readonly tracer?: Tracer
}

/**
 * A span around the handling of every event, `datasync resync` or `datasync change`, from its delivery to its end; the
 * handler's own spans become its children, also those of an async handler. Each is the root of a trace: an event has
 * no caller. Attributes: `datasync.transport`, `.registration`, `.result`, for a RESYNC `.reason` and `.pairs`.
 * @throws InvalidOptionError (`SYNC_INVALID_OPTION`)
 */
export function tracing(options: TracingOptions = {}): Instrumentation {
  checkOptions<TracingOptions>(options, { tracer: isObject })
  const { tracer = trace.getTracer('rx-datasync') } = options
  return {
    handling: ({ transport, registration, kind, reason, pairs }) => {
      const span = tracer.startSpan(`datasync ${kind}`, {
        root: true,
        kind: SpanKind.CONSUMER,
        attributes: {
          'datasync.transport': transport,
          'datasync.registration': registration,
          ...(reason === undefined ? {} : { 'datasync.reason': reason }),
          ...(pairs === undefined ? {} : { 'datasync.pairs': pairs }),
        },
      })
      return new TracedHandling(span)
    },
  }
}

class TracedHandling implements Handling {
  readonly #span: Span

  constructor(span: Span) {
    this.#span = span
  }

  within<T>(receiver: () => T): T {
    return context.with(trace.setSpan(context.active(), this.#span), receiver)
  }

  end(result: EventResult, error?: unknown): void {
    this.#span.setAttribute('datasync.result', result)
    if (error !== undefined) {
      const message = describeError(error)
      this.#span.recordException(error instanceof Error ? error : message)
      this.#span.setStatus({ code: SpanStatusCode.ERROR, message })
    }
    this.#span.end()
  }
}
