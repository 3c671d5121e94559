/**
 * The delay before repetition number `attempt` (0 = the first): exponential from `baseMs`, at most `capMs`, full
 * jitter — anything from a tenth of it to all of it, so that many clients spread (W14).
 */
export function backoffMs(
  attempt: number,
  random: () => number,
  { baseMs, capMs }: { baseMs: number; capMs: number },
): number {
  const ceiling = Math.min(capMs, baseMs * 2 ** Math.min(attempt, 30))
  return ceiling * (0.1 + 0.9 * random())
}
