/** The number of hash slots of a Redis cluster. */
export const SLOTS = 16_384

/** CRC-16 (XMODEM) of every byte. */
const CRC: Uint16Array = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)
  return crc
})

/** The hash slot of a key in a Redis cluster: CRC-16 of its hash tag, or of all of it. */
export function hashSlot(key: string): number {
  let crc = 0
  for (const byte of Buffer.from(hashed(key))) {
    crc = ((crc << 8) ^ (CRC[(crc >> 8) ^ byte] as number)) & 0xffff
  }
  return crc % SLOTS
}

/** Between the first `{` and the next `}`, when anything stands there. */
function hashed(key: string): string {
  const open = key.indexOf('{')
  if (open === -1) return key
  const close = key.indexOf('}', open + 1)
  return close > open + 1 ? key.slice(open + 1, close) : key
}
