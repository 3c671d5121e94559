import { expect, it } from '@jest/globals'
import { maskUrl } from '../../../src/index.ts'

it.each([
  ['redis://user:secret@host:6379/0', 'redis://***@host:6379/0'],
  ['redis://user:p@ss@host', 'redis://***@host'],
  ['redis://:pa/ss@host/1', 'redis://***@host/1'],
  ['redis://host:6379', 'redis://host:6379'],
  ['https://host/x?token=abc&y=1', 'https://host/x?token=***&y=1'],
])('%s is shown as %s', (url, shown) => {
  expect(maskUrl(url)).toBe(shown)
})
