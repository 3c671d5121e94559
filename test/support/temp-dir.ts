import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTeardown } from './teardown.ts'

/** A new, empty folder; it is deleted with all that is in it when the test file is over. */
export async function tempDir(name = 'test'): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), `rx-datasync-${name}-`))
  onTeardown(() => rm(path, { recursive: true, force: true, maxRetries: 3 }))
  return path
}
