import { createHash } from 'node:crypto'

const BASE64 = 'base64:'

/** Values are bytes: those that are text stay readable, others become base64. */
export function toText(value: Uint8Array): string {
  const bytes = Buffer.from(value)
  const text = bytes.toString('utf8')
  const faithful = Buffer.from(text).equals(bytes) && !text.startsWith(BASE64)
  return faithful ? text : BASE64 + bytes.toString('base64')
}

export function toBytes(text: string): Uint8Array {
  const coded = text.startsWith(BASE64)
  return coded ? Buffer.from(text.slice(BASE64.length), 'base64') : Buffer.from(text)
}

/** Equal values have equal versions. */
export function versionOf(text: string): string {
  return createHash('sha1').update(text).digest('base64url')
}
