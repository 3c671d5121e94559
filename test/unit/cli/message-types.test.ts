import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from '@jest/globals'
import { MessageTypes } from '../../../src/cli/message-types.ts'
import { tempDir } from '../../support/temp-dir.ts'

describe('MessageTypes', () => {
  it('reads files with imports, nested types, well-known types and options of their own', async () => {
    const folder = await tempDir('proto')
    await mkdir(join(folder, 'common'))
    await writeFile(
      join(folder, 'common/id.proto'),
      `syntax = "proto3"; package common; message Id { string text = 1; }`,
    )
    const file = join(await tempDir('proto'), 'event.proto')
    await writeFile(
      file,
      `syntax = "proto3";
       package app.v1;
       import "common/id.proto";
       import "google/protobuf/timestamp.proto";
       import "google/protobuf/descriptor.proto";
       extend google.protobuf.FieldOptions { string hint = 50000; }
       message Event {
         message Source { common.Id id = 1; }
         Source source = 1 [(hint) = "x"];
         google.protobuf.Timestamp at = 2;
         int64 count = 3;
         bytes body = 4;
         map<string, bool> flags = 5;
       }`,
    )
    const types = await MessageTypes.load([file], [folder])
    const event = types.find('app.v1.Event')
    const json = {
      source: { id: { text: 'a' } },
      at: '2026-11-21T00:00:00Z',
      count: '9007199254740993',
      body: 'AP8=',
      flags: { on: true },
    }
    expect(event.decode(event.encode(json))).toEqual(json)
    expect(types.find('.app.v1.Event.Source').typeName).toBe('app.v1.Event.Source')
    expect(() => types.find(undefined)).toThrow('--type is missing')
    await expect(MessageTypes.load([file], [])).rejects.toThrow('--proto: ')
  })

  it('takes the only type there is, and knows the well-known ones without a file', async () => {
    const file = join(await tempDir('proto'), 'one.proto')
    await writeFile(file, `syntax = "proto2"; message One { required int32 n = 1; }`)
    const one = (await MessageTypes.load([file], [])).find(undefined)
    expect(one.typeName).toBe('One')
    expect(() => one.decode(new Uint8Array())).toThrow('n')
    const none = await MessageTypes.load([], [])
    const struct = none.find('google.protobuf.Struct')
    expect(struct.decode(struct.encode({ a: [1, null] }))).toEqual({ a: [1, null] })
    expect(() => none.find(undefined)).toThrow('no message type')
  })

  it('says what is wrong with a file', async () => {
    const folder = await tempDir('proto')
    await writeFile(join(folder, 'bad.proto'), 'message {')
    await writeFile(join(folder, 'bad.bin'), Uint8Array.of(255, 255))
    await expect(MessageTypes.load([join(folder, 'bad.proto')], [])).rejects.toThrow('--proto: ')
    await expect(MessageTypes.load([join(folder, 'bad.bin')], [])).rejects.toThrow('descriptor set')
    await expect(MessageTypes.load([join(folder, 'none.bin')], [])).rejects.toThrow('none.bin')
  })
})
