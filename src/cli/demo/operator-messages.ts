/** What the other process does next, and where the agent's REST server is. */
export interface OperatorOrder {
  readonly step: 'changes' | 'impossible' | 'correction' | 'tick'
  readonly url: string
}

/** To the other process: an order, or that what it is about to do has been told. */
export type OperatorCommand = OperatorOrder | 'go'

/** One HTTP request of the other process; `json` undefined = DELETE. */
export interface OperatorRequest {
  readonly key: string
  readonly json?: unknown
}

/** The answer of the REST server. */
export interface OperatorAnswer {
  readonly status: number
  /** What the body says of a request that was not applied. */
  readonly detail?: string | undefined
}

/** From the other process: what it is about to ask for, what was answered, or that the order is carried out. */
export type OperatorReport =
  | { readonly kind: 'asks'; readonly request: OperatorRequest }
  | { readonly kind: 'answered'; readonly answer: OperatorAnswer }
  | { readonly kind: 'done' }
