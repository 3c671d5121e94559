import type { Request } from 'express'
import { RequestError } from './problem.ts'

/** A parameter of the query; undefined when it is not there. @throws RequestError (400) when it is there twice */
export function queryOf(request: Request, name: string): string | undefined {
  const value: unknown = request.query[name]
  if (value === undefined || typeof value === 'string') return value
  throw new RequestError(400, `\`${name}\` is given twice`)
}
