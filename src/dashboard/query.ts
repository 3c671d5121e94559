import type { Request } from 'express'
import { RequestError } from './problem.ts'

/** A parameter of the query; undefined when it is not there. @throws RequestError (400) when it is there twice */
export function queryOf(request: Request, name: string): string | undefined {
  const value: unknown = request.query[name]
  if (value === undefined || typeof value === 'string') return value
  throw new RequestError(400, `\`${name}\` is given twice`)
}

/** The fields of a body, an object without any others. @throws RequestError (400) */
export function bodyOf<T extends object>(
  body: unknown,
  known: readonly (keyof T & string)[],
): { readonly [K in keyof T]?: unknown } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new RequestError(400, 'the body must be an object')
  }
  for (const name of Object.keys(body)) {
    if (!known.includes(name as keyof T & string)) {
      throw new RequestError(400, `the body has a field that is not known: ${name.slice(0, 80)}`)
    }
  }
  return body
}
