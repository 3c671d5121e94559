import { join } from 'node:path'
import { JsonFile } from '../../examples/adapters/json-file.ts'
import { contract, uniquePrefix } from '../support/contract.ts'
import { tempDir } from '../support/temp-dir.ts'

contract('json-file', async () => {
  const path = join(await tempDir('json-file'), 'data.json')
  return { prefix: uniquePrefix(), transport: () => new JsonFile(path), dispose: async () => {} }
})
