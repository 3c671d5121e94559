import { writeFileSync, writeSync } from 'node:fs'
import { relative } from 'node:path'

/**
 * Prints why suites were skipped and, as the last line, `tests: N passed, N failed, N skipped`. A file that could not
 * run counts as one failed test. With SYNC_TEST_COUNTS=<path> the counts go there, and `npm test` prints the line.
 */
export default class ClosingLineReporter {
  #lines = []

  constructor() {
    // Jest prints its own summary after every reporter has run.
    process.once('exit', () => writeSync(1, this.#lines.map((line) => `${line}\n`).join('')))
  }

  onRunComplete(_contexts, results) {
    const counts = countTests(results)
    const skipped = describeSkipped(results.testResults)
    this.#lines = skipped.length === 0 ? [] : ['', 'Skipped:', ...skipped]

    const path = process.env['SYNC_TEST_COUNTS']
    if (path === undefined) this.#lines.push('', closingLine(counts))
    else writeFileSync(path, JSON.stringify(counts))
  }
}

export function countTests(results) {
  return {
    passed: results.numPassedTests,
    failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
    skipped: results.numPendingTests + results.numTodoTests,
  }
}

export function closingLine({ passed, failed, skipped }) {
  return `tests: ${passed} passed, ${failed} failed, ${skipped} skipped`
}

/** One line per file and outermost describe that was skipped; a suite's title carries its reason. */
function describeSkipped(files) {
  const lines = []
  for (const file of files) {
    const bySuite = new Map()
    for (const test of file.testResults) {
      if (test.status !== 'pending' && test.status !== 'todo') continue
      const title = test.ancestorTitles[0] ?? test.title
      bySuite.set(title, (bySuite.get(title) ?? 0) + 1)
    }
    for (const [title, count] of bySuite) {
      const path = relative(process.cwd(), file.testFilePath)
      lines.push(`  ${path}: ${title} (${count} ${count === 1 ? 'test' : 'tests'})`)
    }
  }
  return lines
}
