import { readFile } from 'node:fs/promises'
import type { Grant } from '../../serving/access.ts'
import { UsageError } from '../exit-codes.ts'

/** What the help says about it. */
export const ACCESS_FILE_HELP = `The access file is JSON, a list of who may do what; without it only programs of this machine are served:
  [
    { "name": "agents", "token": "env:AGENTS_TOKEN", "read": ["/config/"] },
    { "name": "operator", "certificate": "operator-1", "read": [""], "write": ["/config/"] }
  ]
  token: sent as "Authorization: Bearer …", at least 16 characters; env:NAME takes it from the environment.
  certificate: the common name, or an alternative name such as DNS:op.example, of a client certificate; needs --serve-ca.`

const HINT = 'datasync help serve shows one'

/** Reads who may do what; `secret` gives what a token stands for. @throws UsageError when the file cannot be read or is no list */
export async function readAccessFile(
  path: string,
  secret: (text: string) => string,
): Promise<Grant[]> {
  const where = `--access: ${path}`
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new UsageError(`${where} cannot be read`, { cause })
  })
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    // The cause would repeat what may be a token.
    throw new UsageError(`${where} is no JSON`, { hint: HINT })
  }
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'object' && item !== null)) {
    throw new UsageError(`${where} must hold a list of objects`, { hint: HINT })
  }
  return list.map((item: Grant) =>
    typeof item.token === 'string' ? { ...item, token: secret(item.token) } : item,
  )
}
