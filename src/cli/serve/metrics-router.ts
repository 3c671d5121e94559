import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import { accessControl } from '../../serving/access.ts'
import type { Grant } from '../../serving/access.ts'
import { credentialsOf, isFromThisMachine } from '../../serving/http-credentials.ts'
import { RequestRate } from '../../serving/request-rate.ts'

/** As for REST: credentials that are wrong, per address and second. */
const WRONG_PER_SECOND = 20

/** Prometheus metrics, for whoever has any access at all: they hold no keys and no values. */
export function metricsRouter(
  registry: Registry,
  access: readonly Grant[] | undefined,
): (request: IncomingMessage, response: ServerResponse) => void {
  const identify = accessControl(access, [''])
  const wrong = new RequestRate(WRONG_PER_SECOND)
  return (request, response) => {
    if (access === undefined && !isFromThisMachine(request)) {
      response.writeHead(403).end()
      return
    }
    if (identify(credentialsOf(request)) === undefined) {
      void wrong.take(request.socket.remoteAddress ?? '').then((waitMs) => {
        if (waitMs === undefined) response.writeHead(401, { 'www-authenticate': 'Bearer' }).end()
        else response.writeHead(429, { 'retry-after': String(Math.ceil(waitMs / 1_000)) }).end()
      })
      return
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { allow: 'GET, HEAD' }).end()
      return
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'content-type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  }
}
