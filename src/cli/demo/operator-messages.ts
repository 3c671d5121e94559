/** What the agent tells the other process to do next. */
export type OperatorStep = 'changes' | 'impossible' | 'correction' | 'tick'

/** One change that the other process asks for; `json` undefined = delete. */
export interface OperatorRequest {
  readonly key: string
  readonly json?: unknown
}

/** What became of a request. */
export interface OperatorAnswer {
  readonly ok: boolean
}

/** From the other process: a request, or that the step is over. */
export type OperatorMessage = OperatorRequest | 'done'
