import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { closingLine } from './closing-line-reporter.mjs'

/**
 * `npm test`: every check, one after the other, also after a failed one. Arguments go to Jest. Each check counts as one
 * test in the closing line; exits with 1 when anything failed.
 */
const root = join(import.meta.dirname, '..')
const checks = [
  ['Lint', 'lint'],
  ['Format', 'format:check'],
  ['Types', 'typecheck'],
  ['Build', 'build'],
]

const failures = []
for (const [title, script] of checks) {
  heading(title)
  if (run(script) !== 0) failures.push(`${title} (npm run ${script})`)
}
heading('Tests')
const tests = runJest()

if (failures.length > 0) console.log(`\nFailed checks: ${failures.join(', ')}`)
const total = {
  passed: tests.passed + checks.length - failures.length,
  failed: tests.failed + failures.length,
  skipped: tests.skipped,
}
console.log(`\n${closingLine(total)}`)
process.exitCode = total.failed === 0 ? 0 : 1

function runJest() {
  const folder = mkdtempSync(join(tmpdir(), 'rx-datasync-test-'))
  const path = join(folder, 'counts.json')
  try {
    const status = run('test:jest', process.argv.slice(2), { SYNC_TEST_COUNTS: path })
    const counts = readCounts(path)
    // Jest can fail without a failed test, for example when it crashes.
    return status !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function readCounts(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    console.error(`Jest left no result: ${error.message}`)
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

function run(script, args = [], env = {}) {
  const command = ['npm', 'run', '--silent', script, ...(args.length === 0 ? [] : ['--', ...args])]
  const { status } = spawnSync(command.map(quote).join(' '), {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: 'inherit',
    shell: true,
  })
  return status
}

function quote(argument) {
  return /^[\w:./=-]+$/u.test(argument) ? argument : JSON.stringify(argument)
}

function heading(title) {
  console.log(`\n── ${title} ${'─'.repeat(Math.max(0, 72 - title.length))}`)
}
