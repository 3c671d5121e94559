import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from '@jest/globals'
import { readAccessFile } from '../../../src/cli/serve/access-file.ts'
import { tempDir } from '../../support/temp-dir.ts'

const SECRET = 'secret-token-0123456789'

async function fileOf(text: string): Promise<string> {
  const path = join(await tempDir(), 'access.json')
  await writeFile(path, text)
  return path
}

describe('an access file', () => {
  it('names who may do what; tokens stand for what the function gives', async () => {
    const path = await fileOf(`[{"name":"a","token":"env:A","read":["/a/"]},{"certificate":"b"}]`)
    expect(await readAccessFile(path, (text) => text.replace('env:', 'of '))).toEqual([
      { name: 'a', token: 'of A', read: ['/a/'] },
      { certificate: 'b' },
    ])
  })

  it.each([
    `[{"token":${SECRET}}]`,
    `[{"token":"${SECRET}" "read":[]}]`,
    `"${SECRET}"`,
    `["${SECRET}"]`,
  ])('that is none is refused, and nothing of it is shown: %s', async (text) => {
    const refused = readAccessFile(await fileOf(text), (token) => token)
    const error: unknown = await refused.catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(Error)
    expect(inspect(error)).not.toContain('secret')
  })
})
