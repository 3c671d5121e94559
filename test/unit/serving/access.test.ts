import { describe, expect, it } from '@jest/globals'
import { accessControl, certificateNames } from '../../../src/serving/access.ts'

describe('names of certificates', () => {
  it('are the common name and the alternative names', () => {
    const names = certificateNames({
      subject: { CN: 'agent-1' },
      subjectaltname: 'DNS:agent-1.test, URI:"urn:a\\u002c DNS:b", IP Address:10.0.0.1',
    })
    expect(names).toEqual([
      'agent-1',
      'DNS:agent-1.test',
      'URI:"urn:a\\u002c DNS:b"',
      'IP Address:10.0.0.1',
    ])
    expect(certificateNames({})).toEqual([])
    expect(certificateNames({ subject: { CN: ['a', 'b'] } })).toEqual(['a', 'b'])
  })

  it('a common name that is written like an alternative name is nobody', () => {
    const identify = accessControl(
      [{ name: 'agent', certificate: 'DNS:agent-1.test', read: [''] }],
      [''],
    )
    const shown = (subject: object): string | undefined =>
      identify({ certificateNames: certificateNames(subject) })?.name
    expect(shown({ subjectaltname: 'DNS:agent-1.test' })).toBe('agent')
    expect(shown({ subject: { CN: 'DNS:agent-1.test' } })).toBeUndefined()
    expect(shown({ subject: { CN: ['x', 'dns:agent-1.test'] } })).toBeUndefined()
  })
})

describe('grants', () => {
  it('what may be read and written is told once, as far as it is served, none inside another', () => {
    const token = 'a-token-of-somebody'
    const read = ['/b/deep/', '/a/x/', '/a/', '/b/', '/a/', '/c']
    const identify = accessControl([{ name: 'a', token, read, write: ['/a/x/'] }], ['/a/', '/b/d'])
    const client = identify({ token })
    expect(client?.readable).toEqual(['/a/', '/b/d'])
    expect(client?.writable).toEqual(['/a/x/'])
    for (const [key, reads, writes] of [
      ['/a/x/1', true, true],
      ['/a/1', true, false],
      ['/b/deep/1', true, false],
      ['/b/e', false, false],
      ['/c', false, false],
    ] as const) {
      expect([key, client?.mayRead(key), client?.mayWrite(key)]).toEqual([key, reads, writes])
    }
  })
})
