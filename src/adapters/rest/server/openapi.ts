import { BYTES_TYPE, JSON_TYPE, PROBLEM_TYPE, SSE_TYPE } from '../protocol.ts'
import type { RouterSettings } from './options.ts'

type Json = Readonly<Record<string, unknown>>

const PROTOBUF_TYPE = 'application/x-protobuf'

/** What each problem is about; every answer that is no success is one. */
const PROBLEMS: Readonly<Record<number, string>> = {
  304: 'Not modified: the ETag of If-None-Match is the present one',
  400: 'The request is malformed',
  401: 'Credentials are missing or unknown',
  403: 'Not served, not for this client, or from a page of another site',
  404: 'There is no such key',
  405: 'Another method; Allow names those that there are',
  406: 'Nothing of what Accept names is available',
  409: 'The same Idempotency-Key was used before: outcome is unknown',
  412: 'A condition does not hold; nothing was written',
  413: 'Larger than what is taken; nothing was written',
  415: 'The body is of another type, or compressed; nothing was written',
  422: 'Stored, but refused by receivers, which are named',
  429: 'Too many requests, or watches, of this client',
  500: 'A fault of the server',
  501: 'The store cannot do that; nothing was written',
  503: 'Not ready, closing, or the store is away; outcome says what became of a write',
}

const AT_DOOR = [400, 403, 405] as const
// Also of what needs no body: one that is sent is read.
const ALWAYS = [...AT_DOOR, 401, 413, 415, 429, 500, 503] as const
const WRITES = [...ALWAYS, 409, 412, 422, 501] as const

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` })
const parameter = (name: string): Json => ({ $ref: `#/components/parameters/${name}` })

/** The OpenAPI 3.1 description of what {@link restRouter} serves. */
export function openApiDocument({ access, limits, rootKeys }: RouterSettings): Json {
  const byPath = {
    parameters: [parameter('path')],
    get: operation('Value of a key', ['ifMatch', 'ifNoneMatch'], VALUE, [
      ...ALWAYS,
      304,
      404,
      406,
      412,
    ]),
    head: operation('Version of a key', ['ifMatch', 'ifNoneMatch'], NO_BODY, [
      ...ALWAYS,
      304,
      404,
      406,
      412,
    ]),
    put: operation('Writes a key', PUT_PARAMETERS, PUT_ANSWERS, WRITES, VALUE_BODY),
    delete: operation(
      'Deletes a key',
      ['wait', 'timeoutMs', 'idempotencyKey', 'ifMatch', 'ifNoneMatch'],
      WRITE_ANSWERS,
      [...ALWAYS, 409, 412, 422, 501],
    ),
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'rx-datasync REST',
      version: 'v1',
      description:
        'Read, write and watch the data of an agent. Keys stand in the query, percent-encoded; + is a space, as in forms.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    ...(access === undefined ? {} : { security: [{ token: [] }, { certificate: [] }] }),
    paths: {
      '/v1/info': both('What this server is and can do', [], json('Info'), ALWAYS),
      '/v1/health': both(
        'For probes; needs no credentials',
        [],
        {
          ...json('Health'),
          503: content(JSON_TYPE, ref('Health'), 'Starting, degraded or closed'),
        },
        [...AT_DOOR, 429, 500],
        [],
      ),
      '/v1/openapi.json': both(
        'This document; needs no credentials',
        [],
        { 200: content(JSON_TYPE, { type: 'object' }, 'OK') },
        [...AT_DOOR, 429, 500],
        [],
      ),
      '/v1/keys': {
        get: operation(
          'Value of a key; several keys; or a page of a prefix',
          READ_PARAMETERS,
          LIST_OR_VALUE,
          [...ALWAYS, 304, 404, 406, 412],
        ),
        head: operation('The same without the body', READ_PARAMETERS, NO_BODY, [
          ...ALWAYS,
          304,
          404,
          406,
          412,
        ]),
        put: operation(
          'Writes a key; with prefix, replaces all that is under it',
          [...PUT_PARAMETERS, 'key', 'prefixes'],
          {
            ...PUT_ANSWERS,
            200: content(
              JSON_TYPE,
              { anyOf: [ref('Written'), ref('Replaced')] },
              'Applied, or stored where nothing can be waited for',
            ),
            202: accepted({ anyOf: [ref('Written'), ref('Replaced')] }),
          },
          WRITES,
          VALUE_OR_LIST_BODY,
        ),
        delete: operation(
          'Deletes a key, or all under prefixes',
          ['key', 'prefixes', 'wait', 'timeoutMs', 'idempotencyKey', 'ifMatch', 'ifNoneMatch'],
          WRITE_ANSWERS,
          [...ALWAYS, 409, 412, 422, 501],
        ),
      },
      '/v1/key/{path}': byPath,
      ...(rootKeys ? { '/{path}': byPath } : {}),
      '/v1/get': {
        post: operation(
          'The pairs of those keys that exist',
          ['format', 'values'],
          json('Pairs'),
          [...ALWAYS, 406],
          {
            required: true,
            content: {
              [JSON_TYPE]: {
                schema: object(
                  { keys: { type: 'array', items: ref('Key'), maxItems: limits.maxKeys } },
                  ['keys'],
                ),
              },
            },
          },
        ),
      },
      '/v1/txn': {
        post: operation(
          'Several writes, all or nothing',
          ['wait', 'timeoutMs', 'idempotencyKey'],
          WRITE_ANSWERS,
          WRITES,
          {
            required: true,
            content: {
              [JSON_TYPE]: {
                schema: object(
                  { ops: { type: 'array', items: ref('Op'), maxItems: limits.maxOps } },
                  ['ops'],
                ),
              },
            },
          },
        ),
      },
      '/v1/watch': {
        get: operation(
          'The state under prefixes, then every change, as server-sent events',
          ['prefixes', 'lastEventId', 'lastEventIdQuery', 'format', 'values', 'heartbeatMs'],
          STREAM,
          [...ALWAYS, 406, 501],
        ),
        post: operation(
          'The same for more prefixes than an URL takes',
          ['format', 'values', 'heartbeatMs'],
          STREAM,
          [...ALWAYS, 406, 501],
          {
            required: true,
            content: {
              [JSON_TYPE]: {
                schema: object(
                  {
                    prefixes: { type: 'array', items: ref('Prefix'), maxItems: limits.maxPrefixes },
                    lastEventId: { type: 'string' },
                  },
                  ['prefixes'],
                ),
              },
            },
          },
        ),
      },
    },
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        certificate: { type: 'mutualTLS' },
      },
      parameters: PARAMETERS,
      schemas: SCHEMAS,
    },
  }
}

const READ_PARAMETERS = [
  'keys',
  'prefix',
  'limit',
  'after',
  'format',
  'values',
  'ifMatch',
  'ifNoneMatch',
]
const PUT_PARAMETERS = ['ttl', 'wait', 'timeoutMs', 'idempotencyKey', 'ifMatch', 'ifNoneMatch']

const VERSIONED = {
  ETag: { schema: { type: 'string' }, description: 'The version, in quotes' },
  'Datasync-Revision': { schema: { type: 'string' } },
}
const BYTES = { type: 'string', contentEncoding: 'binary' }
const VALUE: Json = {
  200: {
    description: 'OK',
    headers: VERSIONED,
    content: {
      [BYTES_TYPE]: { schema: BYTES },
      [PROTOBUF_TYPE]: { schema: BYTES },
      [JSON_TYPE]: { schema: true },
    },
  },
}
const LIST_OR_VALUE: Json = {
  200: {
    description: 'A value, or with prefix or several keys a list',
    headers: { ...VERSIONED, Link: { schema: { type: 'string' }, description: 'rel="next"' } },
    content: {
      [BYTES_TYPE]: { schema: BYTES },
      [PROTOBUF_TYPE]: { schema: BYTES },
      // Under a model a value may look like anything.
      [JSON_TYPE]: { schema: { anyOf: [ref('Pairs'), true] } },
    },
  },
}
const NO_BODY: Json = { 200: { description: 'OK', headers: VERSIONED } }
const WRITE_ANSWERS: Json = {
  200: content(JSON_TYPE, ref('Written'), 'Applied, or stored where nothing can be waited for'),
  202: accepted(ref('Written')),
}
const PUT_ANSWERS: Json = {
  ...WRITE_ANSWERS,
  201: content(JSON_TYPE, ref('Written'), 'Created, under If-None-Match: *'),
}
const VALUE_BODY: Json = {
  content: {
    [BYTES_TYPE]: { schema: BYTES },
    [PROTOBUF_TYPE]: { schema: BYTES },
    [JSON_TYPE]: { schema: true },
  },
}
const VALUE_OR_LIST_BODY: Json = {
  content: {
    [BYTES_TYPE]: { schema: BYTES },
    [PROTOBUF_TYPE]: { schema: BYTES },
    [JSON_TYPE]: { schema: { anyOf: [{ type: 'array', items: ref('Replacement') }, true] } },
  },
}
const STREAM: Json = {
  200: content(
    SSE_TYPE,
    { type: 'string' },
    'info, resync-begin, pairs…, resync-end, then changes, progress, closed',
  ),
}

const PARAMETERS: Json = {
  key: query('key', ref('Key'), 'One key'),
  keys: query('key', { type: 'array', items: ref('Key') }, 'One key, or several'),
  prefix: query('prefix', ref('Prefix'), 'All keys that begin so'),
  prefixes: query(
    'prefix',
    { type: 'array', items: ref('Prefix') },
    'All keys that begin with one of them',
  ),
  limit: query('limit', { type: 'integer', minimum: 1 }, 'Pairs of a page'),
  after: query('after', ref('Prefix'), 'The page begins behind this key'),
  format: query('format', { enum: ['base64', 'json'] }, 'Values under a model as JSON'),
  values: query('values', { type: 'boolean' }, 'false: keys and versions only'),
  ttl: query('ttl', { type: 'string' }, 'Time to live: 1500, 500ms, 30s, 5m, 12h, 7d'),
  wait: query('wait', { type: 'boolean' }, 'Wait for receivers; true where the store can'),
  timeoutMs: query('timeoutMs', { type: 'integer', minimum: 1 }, 'Of the whole write'),
  heartbeatMs: query(
    'heartbeatMs',
    { type: 'integer', minimum: 50 },
    'A quiet watch gets a comment so often',
  ),
  lastEventIdQuery: query('lastEventId', { type: 'string' }, 'Go on behind this event'),
  lastEventId: header('Last-Event-ID', 'Go on behind this event'),
  idempotencyKey: header('Idempotency-Key', 'A name of this write: sent twice, it is done once'),
  ifMatch: header('If-Match', 'Versions in quotes, or *'),
  ifNoneMatch: header('If-None-Match', 'Versions in quotes, or *'),
  path: {
    name: 'path',
    in: 'path',
    required: true,
    schema: { type: 'string' },
    description: 'The key without its first /; may hold /',
  },
}

const OUTCOME = { enum: ['not-applied', 'stored', 'unknown'] }
const SCHEMAS: Json = {
  Key: { type: 'string', minLength: 1, maxLength: 1_024 },
  Prefix: { type: 'string', maxLength: 1_024 },
  Pair: object(
    {
      key: ref('Key'),
      value: { description: 'base64, or with encoding json what the model says' },
      encoding: { enum: ['base64', 'json'] },
      version: { type: 'string' },
      revision: { type: 'integer' },
    },
    ['key', 'version', 'revision'],
  ),
  Pairs: object({ pairs: { type: 'array', items: ref('Pair') }, next: { type: 'string' } }, [
    'pairs',
  ]),
  Replacement: {
    type: 'object',
    properties: {
      key: ref('Key'),
      value: {},
      encoding: { enum: ['base64', 'json'] },
      ttl: { type: ['string', 'number'] },
    },
    required: ['key', 'value'],
  },
  Op: {
    type: 'object',
    properties: {
      op: { enum: ['put', 'delete', 'delete-prefix'] },
      key: ref('Key'),
      prefix: ref('Prefix'),
      value: {},
      encoding: { enum: ['base64', 'json'] },
      ttl: { type: ['string', 'number'] },
      ifVersion: { type: 'string' },
      ifAbsent: { type: 'boolean' },
    },
    required: ['op'],
  },
  Written: object(
    {
      outcome: { enum: ['applied', 'stored'] },
      key: ref('Key'),
      version: { type: 'string' },
      versions: { type: 'array', items: { type: ['string', 'null'] } },
      deleted: { type: 'integer' },
      receivers: { type: 'integer' },
    },
    ['outcome'],
  ),
  Replaced: object(
    {
      outcome: { enum: ['applied', 'stored'] },
      put: { type: 'integer' },
      deleted: { type: 'integer' },
      versions: {
        type: 'array',
        items: object({ key: ref('Key'), version: { type: 'string' } }, ['key', 'version']),
      },
      turns: {
        type: 'array',
        items: object({ registration: { type: 'string' }, outcome: { type: 'string' } }, [
          'registration',
          'outcome',
        ]),
      },
    },
    ['outcome', 'put', 'deleted', 'versions', 'turns'],
  ),
  Health: object({ status: { enum: ['ok', 'starting', 'degraded'] } }, ['status']),
  Info: object(
    {
      name: { const: 'rx-datasync' },
      api: { const: 'v1' },
      transport: { type: 'string' },
      state: { enum: ['connecting', 'live', 'stale', 'closed'] },
      ready: { type: 'boolean' },
      capabilities: { type: 'object' },
      readable: { type: 'array', items: ref('Prefix') },
      writable: { type: 'array', items: ref('Prefix') },
      models: {
        type: 'array',
        items: object({ prefix: ref('Prefix'), json: { const: true } }, ['prefix', 'json']),
      },
      limits: { type: 'object', additionalProperties: { type: 'integer' } },
    },
    [
      'name',
      'api',
      'transport',
      'state',
      'ready',
      'capabilities',
      'readable',
      'writable',
      'models',
      'limits',
    ],
  ),
  Problem: {
    type: 'object',
    properties: {
      type: { type: 'string', format: 'uri' },
      title: { type: 'string' },
      status: { type: 'integer' },
      detail: { type: 'string' },
      code: { type: 'string' },
      outcome: OUTCOME,
      retryable: { type: 'boolean' },
      key: { type: 'string' },
      reason: { type: 'string' },
      expected: { type: 'string' },
      actual: { type: 'string' },
      refusals: {
        type: 'array',
        items: object(
          { registration: { type: 'string' }, error: { type: 'string' }, code: { type: 'string' } },
          ['registration', 'error'],
        ),
      },
    },
    required: ['type', 'title', 'status', 'detail', 'code'],
  },
}

function object(properties: Json, required: readonly string[]): Json {
  return { type: 'object', properties, required, additionalProperties: false }
}

function query(name: string, schema: Json, description: string): Json {
  return { name, in: 'query', schema, description }
}

function header(name: string, description: string): Json {
  return { name, in: 'header', schema: { type: 'string' }, description }
}

function content(type: string, schema: Json, description: string): Json {
  return { description, content: { [type]: { schema } } }
}

/** Stored without a wait; or out of time, then a problem. */
function accepted(schema: Json): Json {
  return {
    description: 'Stored; not waited for (wait=false), or receivers are late (a problem)',
    content: { [JSON_TYPE]: { schema }, [PROBLEM_TYPE]: { schema: ref('Problem') } },
  }
}

function json(schema: string): Json {
  return { 200: content(JSON_TYPE, ref(schema), 'OK') }
}

function both(
  summary: string,
  parameters: readonly string[],
  answers: Json,
  problems: readonly number[],
  security?: readonly unknown[],
): Json {
  const own = operation(summary, parameters, answers, problems, undefined, security)
  return { get: own, head: own }
}

function operation(
  summary: string,
  parameters: readonly string[],
  answers: Json,
  problems: readonly number[],
  requestBody?: Json,
  security?: readonly unknown[],
): Json {
  const responses: Record<string, unknown> = {}
  for (const status of problems) {
    responses[status] =
      status === 304
        ? { description: PROBLEMS[status] }
        : { description: PROBLEMS[status], content: { [PROBLEM_TYPE]: { schema: ref('Problem') } } }
  }
  return {
    summary,
    ...(parameters.length === 0 ? {} : { parameters: parameters.map(parameter) }),
    ...(requestBody === undefined ? {} : { requestBody }),
    ...(security === undefined ? {} : { security }),
    responses: { ...responses, ...answers },
  }
}
