/** From these on a requested progress mark is in step with the stream (etcd#15220). */
const FIXED: ReadonlyMap<string, number> = new Map([
  ['3.4', 31],
  ['3.5', 13],
])

/**
 * True where a requested progress mark says that everything up to its revision was sent (W3); of older servers it says
 * only that they live.
 */
export function marksMovePosition(version: string | undefined): boolean {
  const parts = /^(?<major>\d+)\.(?<minor>\d+)\.(?<patch>\d+)/u.exec(version ?? '')?.groups
  if (parts === undefined) return false
  const { major, minor, patch } = parts
  const fixed = FIXED.get(`${major}.${minor}`)
  if (fixed !== undefined) return Number(patch) >= fixed
  return Number(major) > 3 || (Number(major) === 3 && Number(minor) > 5)
}
