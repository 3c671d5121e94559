import type { LazyValue } from '../api/change-event.ts'
import { codec } from '../api/message.ts'
import type { Codec, Message } from '../api/message.ts'

/** Values that are UTF-8 text; decoding anything else throws. */
export const textCodec: Codec<string> = codec({
  encode: (value: string) => new TextEncoder().encode(value),
  decode: (bytes) => new TextDecoder('utf-8', { fatal: true }).decode(bytes),
})

/** A value that is text. */
export function text(value: string): Message {
  return textCodec.message(value)
}

/** The text of a value; undefined for none. */
export function textOf(value: LazyValue | undefined): string | undefined {
  return value === undefined ? undefined : new TextDecoder().decode(value.bytes)
}
