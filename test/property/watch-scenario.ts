import fc from 'fast-check'

/** Where the random writers write; overlapping prefixes, names that need care. */
export const KEYS = ['/a/1', '/a/b', '/a/b/1', '/a/b/2', '/a/bc', '/c', '/d/*', '/d/😀'] as const
export const PREFIXES = ['', '/a/', '/a/b', '/a/b/', '/c', '/d/'] as const
const VALUES = ['', '1', '2', '3', 'x'.repeat(40)] as const

/** How a receiver answers one event. */
export const ANSWERS = [
  'done',
  'soon', // some turns of the event loop later
  'slow', // within its time
  'working', // later than its time, but says so
  'refuse',
  'throw',
  'late', // in the back-off that its timeout begins
  'never',
] as const
export type AnswerName = (typeof ANSWERS)[number]

export interface RegistrationPlan {
  readonly prefixes: readonly string[]
  readonly delivery: 'all' | 'latest'
  readonly onRefusal: 'resync' | 'retry' | 'continue'
  readonly maxRetries: number
  readonly queueLimit: number
  /** One after the other, and from the beginning again. */
  readonly answers: readonly AnswerName[]
}

export type WriteOp =
  | { readonly do: 'put'; readonly key: string; readonly value: string }
  | { readonly do: 'delete'; readonly key: string }

/** What may break; a world knows some of them. */
export const FAULTS = [
  'cut',
  'cut and hold',
  'forget',
  'compact',
  'fail list',
  'hang',
  'release',
  'deaf',
  'reconcile',
] as const
export type FaultName = (typeof FAULTS)[number]

export type Step =
  | { readonly do: 'write'; readonly op: WriteOp; readonly applied: boolean }
  | { readonly do: 'txn'; readonly ops: readonly WriteOp[] }
  | { readonly do: 'delete prefix'; readonly prefix: string }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'fault'; readonly fault: FaultName }
  | { readonly do: 'watch'; readonly plan: RegistrationPlan }
  /** From the checkpoint that the registration gives now. */
  | { readonly do: 'resume'; readonly of: number; readonly plan: RegistrationPlan }
  | { readonly do: 'close'; readonly of: number }
  | { readonly do: 'register' | 'unregister'; readonly of: number; readonly prefix: string }
  | { readonly do: 'resync'; readonly of: readonly number[] | undefined }
  | { readonly do: 'report error'; readonly of: number }

export interface Scenario {
  readonly stored: readonly WriteOp[]
  readonly registrations: readonly RegistrationPlan[]
  readonly steps: readonly Step[]
}

/** What a world can do. */
export interface ScenarioOptions {
  readonly faults: readonly FaultName[]
  readonly transactions: boolean
  readonly applied: boolean
  readonly resumable: boolean
  /** How long a step may wait, in ms. */
  readonly pauses: readonly number[]
}

const key = fc.constantFrom(...KEYS)
const put = fc.record({ do: fc.constant('put' as const), key, value: fc.constantFrom(...VALUES) })
const remove = fc.record({ do: fc.constant('delete' as const), key })
const write: fc.Arbitrary<WriteOp> = fc.oneof(
  { weight: 3, arbitrary: put },
  { weight: 1, arbitrary: remove },
)
const prefixes = fc.uniqueArray(fc.constantFrom(...PREFIXES), { minLength: 1, maxLength: 3 })

const plan: fc.Arbitrary<RegistrationPlan> = fc.record({
  prefixes,
  delivery: fc.constantFrom('all', 'latest'),
  onRefusal: fc.constantFrom('resync', 'retry', 'continue'),
  maxRetries: fc.constantFrom(0, 1, 3),
  queueLimit: fc.constantFrom(1, 3, 10_000),
  answers: fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.constant('done' as const) },
      { weight: 4, arbitrary: fc.constantFrom(...ANSWERS) },
    ),
    { minLength: 1, maxLength: 6 },
  ),
})

function step(options: ScenarioOptions): fc.Arbitrary<Step> {
  const of = fc.nat({ max: 5 })
  const choices: fc.WeightedArbitrary<Step>[] = [
    {
      weight: 14,
      arbitrary: fc.record({
        do: fc.constant('write' as const),
        op: write,
        applied: options.applied ? fc.boolean() : fc.constant(false),
      }),
    },
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant('pass' as const),
        ms: fc.constantFrom(...options.pauses),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('delete prefix' as const),
        prefix: fc.constantFrom(...PREFIXES),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constantFrom('register' as const, 'unregister' as const),
        of,
        prefix: fc.constantFrom(...PREFIXES),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('watch' as const), plan }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), of }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: fc.constant('resync' as const),
        of: fc.option(fc.array(of, { minLength: 1, maxLength: 2 }), { nil: undefined }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('report error' as const), of }) },
  ]
  if (options.faults.length > 0) {
    choices.push({
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('fault' as const),
        fault: fc.constantFrom(...options.faults),
      }),
    })
  }
  if (options.resumable) {
    choices.push({
      weight: 1,
      arbitrary: fc.record({ do: fc.constant('resume' as const), of, plan }),
    })
  }
  if (options.transactions) {
    const ops = fc.uniqueArray(write, { minLength: 1, maxLength: 4, selector: (op) => op.key })
    choices.push({ weight: 2, arbitrary: fc.record({ do: fc.constant('txn' as const), ops }) })
  }
  return fc.oneof(...choices)
}

/** Random stores, receivers, writers and faults. */
export function scenarios(options: ScenarioOptions): fc.Arbitrary<Scenario> {
  return fc.record({
    stored: fc.array(write, { maxLength: 6 }),
    registrations: fc.array(plan, { minLength: 1, maxLength: 3 }),
    steps: fc.array(step(options), { maxLength: 30, size: 'max' }),
  })
}
