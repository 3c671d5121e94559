import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { command } from '../packaging/packed-package.ts'
import { ROOT } from '../support/repository.ts'

it('generated code is what proto/ gives', async () => {
  const outcome = await command(ROOT, process.execPath, [join(ROOT, 'tools/gen.mjs'), '--check'])
  expect(outcome).toEqual({ code: 0, output: '' })
})
