import { describe, expect, it } from '@jest/globals'
import { kafka, msgsync } from '../../../../src/adapters/kafka/index.ts'
import { parseKafkaUrl } from '../../../../src/adapters/kafka/kafka-url.ts'
import { readOptions } from '../../../../src/adapters/kafka/options.ts'

describe('URLs of Kafka', () => {
  it('name brokers, a topic, TLS and a login', () => {
    expect(parseKafkaUrl('kafkas://us%40er:p%2Fw@a:1,b/topic.x')).toEqual({
      brokers: ['a:1', 'b:9092'],
      topic: 'topic.x',
      tls: true,
      username: 'us@er',
      password: 'p/w',
    })
    expect(parseKafkaUrl('kafka://a')).toMatchObject({ topic: undefined, tls: false })
  })

  it.each([
    'redis://a/t',
    'kafka://',
    'kafka://a:0/t',
    'kafka://a:70000/t',
    'kafka://[::1]:9092/t',
    'kafka://a/t/u',
    'kafka://a/..',
    `kafka://a/${'x'.repeat(250)}`,
    'kafka://u:%zz@a/t',
  ])('%s is none', (url) => {
    expect(() => parseKafkaUrl(url)).toThrow('url')
  })

  it('keep their secrets', () => {
    expect(() => parseKafkaUrl('kafka://user:secret@a/b/c')).toThrow(/^(?!.*secret).*\*\*\*@a/u)
  })
})

describe('options of Kafka', () => {
  it('have defaults', () => {
    expect(readOptions({ topic: 't' })).toMatchObject({
      brokers: ['127.0.0.1:9092'],
      topic: 't',
      create: undefined,
      livenessMs: 10_000,
      maxValueBytes: 8_384_512,
      clientId: 'datasync-kafka',
      tls: undefined,
    })
    expect(readOptions({ topic: 't', create: true }).create).toEqual({})
  })

  it('go before the URL', () => {
    const settings = readOptions({ url: 'kafka://a/t', brokers: ['b'], topic: 'u', tls: {} })
    expect(settings).toMatchObject({ brokers: ['b:9092'], topic: 'u', tls: {} })
  })

  it.each([
    [{}, 'topic'],
    [{ topic: 'a/b' }, 'topic'],
    [{ topic: 't', username: 'u' }, 'password'],
    [{ topic: 't', password: 'p' }, 'username'],
    [{ topic: 't', sasl: 'plain' }, 'sasl'],
    [{ topic: 't', sasl: 'gssapi', username: 'u', password: 'p' }, 'sasl'],
    [{ topic: 't', brokers: [] }, 'brokers'],
    [{ topic: 't', brokers: ['a:b'] }, 'brokers'],
    [{ topic: 't', create: { partition: 1 } }, 'create.partition'],
    [{ topic: 't', livenessMs: 0 }, 'livenessMs'],
    [{ topic: 't', unknown: 1 }, 'unknown'],
  ])('%j is refused', (options, named) => {
    expect(() => kafka(options as never)).toThrow(`option ${named}`)
  })

  it('of msgsync are checked too', () => {
    expect(() => msgsync({ topic: 't', compression: 'zstd' as never })).toThrow(
      'option compression',
    )
    expect(() => msgsync({ topic: 't', create: true } as never)).toThrow('option create')
    expect(() => msgsync({ topic: 't' }).publish([] as never)).toThrow('option messages')
  })
})
