/**
 * A name that no other run of any store has. Not from `Io.random`, which a test may hold: nobody may take another's
 * positions for its own (W6).
 */
export function newEpoch(): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(2)), (n) => n.toString(36)).join('')
}
