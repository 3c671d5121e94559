/** One time that a receiver did not take what it was given. */
export interface RefusalReport {
  readonly registration: string
  readonly transport: string
  /** ms since the epoch */
  readonly at: number
  /** `reported`: by `reportError`, of no event in particular. */
  readonly kind: 'resync' | 'change' | 'reported'
  readonly result: 'refused' | 'timeout'
  /** Of a CHANGE. */
  readonly key?: string
  readonly error: unknown
}
