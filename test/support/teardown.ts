type Teardown = () => unknown

const registered = new Set<Teardown>()
let over = false

/**
 * Runs `task` when the test file is over, last registered first; may be called in a test too. The returned function
 * takes it back, for things that were closed already. Outside Jest (benchmarks) call {@link tearDown} yourself.
 * @throws Error when the file is over, as for a test that ran out of time and goes on; `task` is run at once then
 */
export function onTeardown(task: Teardown): () => void {
  if (over) {
    void runLate(task)
    throw new Error('the test file is over')
  }
  registered.add(task)
  return () => {
    registered.delete(task)
  }
}

/** Runs everything registered. @throws AggregateError when tasks failed; all have been run by then */
export async function tearDown(): Promise<void> {
  over = true
  const tasks = [...registered].reverse()
  registered.clear()
  const errors: unknown[] = []
  for (const task of tasks) {
    try {
      await task()
    } catch (error) {
      errors.push(error)
    }
  }
  if (errors.length > 0) throw new AggregateError(errors, 'teardown failed')
}

async function runLate(task: Teardown): Promise<void> {
  try {
    await task()
  } catch (error) {
    console.error('a teardown after the end failed:', error)
  }
}

if ((import.meta as { jest?: unknown }).jest !== undefined) {
  const { afterAll } = await import('@jest/globals')
  afterAll(tearDown)
}
