import { describe, expect, it } from '@jest/globals'
import { Agent, codec, memory, model, PayloadTooLargeError, raw } from '../../../src/index.ts'
import type { MessageType } from '../../../src/index.ts'

const NOT_PROTOBUF = raw(Uint8Array.of(0xff))

async function decoding(type: MessageType<unknown>): Promise<string> {
  await using agent = new Agent({ transport: memory() })
  await agent.put('/a/x', NOT_PROTOBUF)
  const pair = await agent.get('/a/x')
  try {
    pair?.getValue(type)
    return 'decoded'
  } catch (error) {
    return (error as Error).message
  }
}

describe('model', () => {
  it('is refused a type that cannot read values', () => {
    for (const type of [{}, undefined, null, 'Interface', class {}]) {
      expect(() => model('/a/', type as MessageType<unknown>)).toThrow(
        expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option: 'type' }),
      )
    }
  })

  it('makes no key that breaks the rules', () => {
    const lamps = model(
      '/lamp/',
      codec({ encode: (n: number) => Uint8Array.of(n), decode: ([n]) => n ?? 0 }),
    )
    expect(lamps.key('x'.repeat(1_018))).toHaveLength(1_024)
    for (const name of ['', 'x'.repeat(1_019), '\ud800']) {
      expect(() => lamps.key(name)).toThrow(expect.objectContaining({ code: 'SYNC_INVALID_KEY' }))
    }
  })

  it('names its type where a value cannot be decoded', async () => {
    const fails = (): never => {
      throw new Error('never')
    }
    class Interface {
      static deserializeBinary = fails
    }
    const generated = { deserializeBinary: fails, displayName: 'proto.net.Interface' }
    const described = { deserializeBinary: fails, typeName: 'net.Interface' }
    expect(await decoding(model('/a/', Interface))).toContain('a valid Interface')
    for (const type of [generated, described]) {
      expect(await decoding(type)).toContain('a valid net.Interface')
      expect(await decoding(model('/a/', type))).toContain('a valid net.Interface')
    }
    expect(await decoding(model('/a/', codec({ encode: fails, decode: fails })))).toContain(
      'a valid value',
    )
  })
})

describe('raw', () => {
  it('takes bytes only: a string or a number would become an empty value', () => {
    for (const bytes of ['on', 5, [1], undefined, new ArrayBuffer(1)]) {
      expect(() => raw(bytes as never)).toThrow(
        expect.objectContaining({ code: 'SYNC_INVALID_OPTION', option: 'bytes' }),
      )
    }
    expect([...raw(Buffer.from([1, 2])).serializeBinary()]).toEqual([1, 2])
  })
})

describe('PayloadTooLargeError', () => {
  it('names its unit', () => {
    expect(new PayloadTooLargeError('the value of /a', 9, 8).message).toBe(
      'the value of /a has 9 bytes, the limit is 8',
    )
    const { message, size, limit } = new PayloadTooLargeError('the transaction', 9, 8, {
      unit: 'keys',
    })
    expect({ message, size, limit }).toEqual({
      message: 'the transaction has 9 keys, the limit is 8',
      size: 9,
      limit: 8,
    })
  })
})
