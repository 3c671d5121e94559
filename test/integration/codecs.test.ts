import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { create, createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage } from '@bufbuild/protobuf'
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt'
import { Interface, InterfaceType } from '../../examples/gen/network.ts'
import { acknowledge, Agent, codec, DecodeError, memory, model, raw } from '../../src/index.ts'
import type { ChangeEvent, Codec, Message, Model, Plugin } from '../../src/index.ts'
import { ROOT } from '../support/repository.ts'
import { onTeardown } from '../support/teardown.ts'
import { waitFor } from '../support/wait-for.ts'

/** The same message, whichever library made it. */
interface Shape {
  readonly type: number
  readonly enabled: boolean
  readonly addresses: readonly string[]
  readonly mtu: number
}

interface Kind {
  readonly library: string
  readonly model: Model<Shape>
  readonly message: (mtu: number) => Message
}

const TYPE = InterfaceType.ETHERNET
const ADDRESSES = ['10.0.0.1/24', 'fe80::1/64']

const kinds: readonly Kind[] = [googleProtobuf(), protobufEs(), json()]

describe.each(kinds)('$library', ({ model: interfaces, message }) => {
  it('writes, lists, watches and decodes once per receiver', async () => {
    const { agent, changes, listed } = await started(interfaces, [[interfaces.key('eth0'), 1_500]])
    expect(listed).toEqual([1_500])

    await agent.put(interfaces.key('eth0'), message(9_000))
    await agent.put(interfaces.key('eth1'), message(1_400))
    const [first, second] = await waitFor(() => (changes.length === 2 ? changes : undefined))
    expect(first?.value).toMatchObject({
      type: TYPE,
      enabled: true,
      addresses: ADDRESSES,
      mtu: 9_000,
    })
    expect(first?.again).toBe(first?.value)
    expect(first?.prev?.mtu).toBe(1_500)
    expect(second?.prev).toBeUndefined()
    expect((await agent.get(interfaces.key('eth1')))?.getValue(interfaces).mtu).toBe(1_400)
  })

  it('breaks only getValue where the bytes are something else', async () => {
    const { agent, changes } = await started(interfaces, [])
    await agent.put(interfaces.key('broken'), raw(Uint8Array.of(0x0a, 0xff)))
    await agent.put(interfaces.key('eth0'), message(1_500))
    const [broken, next] = await waitFor(() => (changes.length === 2 ? changes : undefined))
    expect(broken?.error).toBeInstanceOf(DecodeError)
    expect(broken?.error).toMatchObject({ code: 'SYNC_DECODE', key: interfaces.key('broken') })
    expect(next?.value?.mtu).toBe(1_500)
  })

  async function started(watched: Model<Shape>, pairs: readonly (readonly [string, number])[]) {
    const seen: Seen[] = []
    const listed: number[] = []
    const transport = memory()
    const plugin: Plugin = {
      name: 'reader',
      init: (context) => {
        context
          .watch('reader', watched)
          .events$.pipe(
            acknowledge((event) => {
              if (event.kind === 'change') seen.push(read(watched, event))
              else {
                for (const pair of event.values.get(watched.prefix) ?? []) {
                  listed.push(pair.getValue(watched).mtu)
                }
              }
            }),
          )
          .subscribe()
      },
    }
    const agent = new Agent({ transport, plugins: [plugin] })
    onTeardown(() => agent.close())
    for (const [key, mtu] of pairs) await agent.put(key, message(mtu))
    await agent.start()
    return { agent, changes: seen, listed }
  }
})

it('google-protobuf and protobuf-es read what the other wrote', () => {
  const bytes = kinds.slice(0, 2).map((kind) => kind.message(9_216).serializeBinary())
  for (const kind of kinds.slice(0, 2)) {
    for (const each of bytes) {
      expect(kind.model.deserializeBinary(each)).toMatchObject({ mtu: 9_216, addresses: ADDRESSES })
    }
  }
})

interface Seen {
  readonly value: Shape | undefined
  readonly again: Shape | undefined
  readonly prev: Shape | undefined
  readonly error: unknown
}

function read(watched: Model<Shape>, event: ChangeEvent): Seen {
  // `owns` narrows the value's type; `changeType` tells whether there is one.
  if (event.changeType === 'delete' || !watched.owns(event)) throw new Error('not ours')
  try {
    const value: Shape = event.getValue(watched)
    return {
      value,
      again: event.getValue(watched),
      prev: event.getPrevValue(watched),
      error: undefined,
    }
  } catch (error) {
    return { value: undefined, again: undefined, prev: undefined, error }
  }
}

/** Generated classes, as they are. */
function googleProtobuf(): Kind {
  return {
    library: 'google-protobuf',
    model: model('/codecs/google-protobuf/', Interface),
    message: (mtu) => new Interface({ type: TYPE, enabled: true, addresses: ADDRESSES, mtu }),
  }
}

/** Schemas at run time, through `codec`. */
function protobufEs(): Kind {
  const schema = schemaOf('examples.Interface')
  const type: Codec<Shape> = codec({
    encode: (value: Shape) => toBinary(schema, create(schema, { ...value })),
    decode: (bytes) => fromBinary(schema, bytes) as unknown as Shape,
  })
  return {
    library: 'protobuf-es',
    model: model('/codecs/protobuf-es/', type),
    message: (mtu) => type.message({ type: TYPE, enabled: true, addresses: ADDRESSES, mtu }),
  }
}

function json(): Kind {
  const type: Codec<Shape> = codec({
    encode: (value: Shape) => new TextEncoder().encode(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes)) as Shape,
  })
  return {
    library: 'JSON',
    model: model('/codecs/json/', type),
    message: (mtu) => type.message({ type: TYPE, enabled: true, addresses: ADDRESSES, mtu }),
  }
}

function schemaOf(name: string): DescMessage {
  const buf = join(ROOT, 'node_modules/@bufbuild/buf/bin/buf')
  const image = execFileSync(process.execPath, [buf, 'build', 'proto/examples', '-o', '-'], {
    cwd: ROOT,
  })
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, image))
  const schema = registry.getMessage(name)
  if (schema === undefined) throw new Error(`${name} is not in proto/examples`)
  return schema
}
