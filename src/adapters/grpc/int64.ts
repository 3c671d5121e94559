/** A 64-bit number as protobufjs gives it. */
export type Int64 = number | { toNumber(): number }

/** Revisions, counts and sizes stay far below 2^53. */
export function numberOf(value: Int64): number {
  return typeof value === 'number' ? value : value.toNumber()
}
