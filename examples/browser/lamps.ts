import { codec, model } from 'rx-datasync'
import type { Message, Model } from 'rx-datasync'

export interface Lamp {
  readonly on: boolean
}

const json = codec<Lamp>({
  encode: (lamp) => new TextEncoder().encode(JSON.stringify(lamp)),
  decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Lamp,
})

/** Shared by the page and the server. */
export const lamps: Model<Lamp> = model('/lamp/', json, {
  json: { toJson: (lamp) => lamp, fromJson: (value) => value as Lamp },
})

export function lampMessage(lamp: Lamp): Message {
  return json.message(lamp)
}
