import { describe, expect, it } from '@jest/globals'
import { codec, model } from '../../../src/index.ts'
import { Values } from '../../../src/dashboard/values.ts'

const encode = (value: string): Uint8Array => new TextEncoder().encode(value)

describe('values of the dashboard', () => {
  const upper = codec({
    encode: (value: { text: string }) => encode(value.text),
    decode: (bytes) => ({ text: new TextDecoder().decode(bytes) }),
  })
  const json = {
    toJson: (value: { text: string }) => value,
    fromJson: (value: unknown) => value as { text: string },
  }
  const values = new Values([model('/a/', upper, { json }), model('/a/plain/', upper)])

  it('are read and written by the model with the longest prefix that has a JSON codec', () => {
    expect(values.view('/a/x', encode('hi'), 100)).toEqual({
      encoding: 'json',
      size: 2,
      text: '{\n  "text": "hi"\n}',
    })
    expect(values.view('/a/plain/x', encode('hi'), 100)).toMatchObject({ encoding: 'json' })
    expect(values.view('/b/x', encode('hi'), 100)).toEqual({
      encoding: 'text',
      size: 2,
      text: 'hi',
    })
    expect(values.bytes('/a/x', { encoding: 'json', text: '{"text":"yes"}' })).toEqual(
      encode('yes'),
    )
  })

  it('are written by messages that can write themselves', () => {
    class Message {
      readonly text: string
      constructor(text: string) {
        this.text = text
      }
      serializeBinary(): Uint8Array {
        return encode(this.text)
      }
      static deserializeBinary(bytes: Uint8Array): Message {
        return new Message(new TextDecoder().decode(bytes))
      }
    }
    const own = new Values([
      model('/m/', Message, {
        json: { toJson: ({ text }) => text, fromJson: (value) => new Message(String(value)) },
      }),
    ])
    expect(own.view('/m/x', encode('hi'), 100)).toMatchObject({ encoding: 'json', text: '"hi"' })
    expect(own.bytes('/m/x', { encoding: 'json', text: '"there"' })).toEqual(encode('there'))
  })

  it.each([
    ['control characters', Uint8Array.of(1, 2), '0102'],
    ['broken UTF-8', Uint8Array.of(0xc3), 'c3'],
    ['text that turns around what is beside it', encode('a\u202eb'), '61e280ae62'],
  ])('with %s are bytes', (_title, bytes, hex) => {
    expect(values.view('/b', bytes, 100)).toEqual({
      encoding: 'hex',
      size: bytes.length,
      text: hex,
    })
  })

  it('that are long end between two characters', () => {
    for (let shift = 0; shift < 4; shift++) {
      const view = values.view('/b', encode('x'.repeat(shift) + '😀'.repeat(500)), 101)
      expect(view).toMatchObject({ encoding: 'text', cut: true, size: shift + 2_000 })
      expect(view.text.isWellFormed()).toBe(true)
      expect(view.text.length).toBeGreaterThanOrEqual(100)
    }
  })
})
