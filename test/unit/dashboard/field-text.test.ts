import { expect, it } from '@jest/globals'
import { fieldTextOf, textOfField } from '../../../src/dashboard/page/field-text.ts'

it.each(['', 'a', 'a\nb\n', '\n', 'a\r\nb', '\r\n\r\n'])(
  'a text comes back from a field as it was: %j',
  (text) => {
    const field = fieldTextOf(text)
    expect(field?.text).not.toContain('\r')
    expect(field && textOfField(field)).toBe(text)
  },
)

it.each(['\r', 'a\rb', 'a\r\nb\nc', 'a\nb\r\n', '\n\r'])(
  'or is not given to a field at all, where its line ends would be changed: %j',
  (text) => expect(fieldTextOf(text)).toBeUndefined(),
)
