import { describe, expect, it } from '@jest/globals'
import { endpointName, parseEndpoint } from '../../../src/kit/server-url.ts'

describe('endpoints', () => {
  it('are written and read', () => {
    for (const text of ['10.0.0.1:6379', '[::1]:7000', 'db.example:1']) {
      const endpoint = parseEndpoint(text, 1)
      expect(endpoint && endpointName(endpoint)).toBe(text)
    }
    expect(parseEndpoint('db.example', 2379)).toEqual({ host: 'db.example', port: 2379 })
  })

  it('are none without a host, or with a port that is none', () => {
    for (const text of ['', 'a b', ':1', 'h:0', 'h:65536', 'h:', 'h:x', '[::1', '::1']) {
      expect(parseEndpoint(text, 1)).toBeUndefined()
    }
  })
})
