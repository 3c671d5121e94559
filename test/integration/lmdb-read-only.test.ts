import { expect, it } from '@jest/globals'
import { lmdb } from '../../src/adapters/lmdb/index.ts'
import { Agent, composite, memory, raw } from '../../src/index.ts'
import { tempDir } from '../support/temp-dir.ts'

it('readOnly: reads, and refuses to watch at once', async () => {
  const path = await tempDir('lmdb')
  const owner = new Agent({ transport: lmdb({ path }) })
  await owner.put('/k/a', raw(new TextEncoder().encode('1')))
  await owner.close()
  await using reader = new Agent({ transport: lmdb({ path, readOnly: true }) })
  expect((await reader.get('/k/a'))?.key).toBe('/k/a')
  const unsupported = expect.objectContaining({ code: 'SYNC_UNSUPPORTED_OPTION' })
  expect(() => reader.watch('one', '/k/')).toThrow(unsupported)
  // The name is free, and the agent starts.
  reader.register('one')
  const parts = [memory(), lmdb({ path, readOnly: true, name: 'reader' })]
  await using both = new Agent({ transport: composite(parts) })
  expect(() => both.watch('one', '/k/')).toThrow(unsupported)
})
