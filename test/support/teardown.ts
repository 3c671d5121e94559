type Teardown = () => unknown

const registered = new Set<Teardown>()

/**
 * Runs `task` when the test file is over, last registered first; may be called in a test too. The returned function
 * takes it back, for things that were closed already. Outside Jest (benchmarks) call {@link tearDown} yourself.
 */
export function onTeardown(task: Teardown): () => void {
  registered.add(task)
  return () => {
    registered.delete(task)
  }
}

/** Runs everything registered. @throws AggregateError when tasks failed; all have been run by then */
export async function tearDown(): Promise<void> {
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

if ((import.meta as { jest?: unknown }).jest !== undefined) {
  const { afterAll } = await import('@jest/globals')
  afterAll(tearDown)
}
