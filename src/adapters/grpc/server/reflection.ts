import type { handleBidiStreamingCall, Server } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import { service as health } from 'grpc-health-check'
import descriptor from 'protobufjs/ext/descriptor.js'
import type { IFileDescriptorProto } from 'protobufjs/ext/descriptor.js'
import { DATAMSG } from '../datamsg-schema.ts'
import { rootOf, snake } from '../proto-table.ts'
import type { ProtoTable } from '../proto-table.ts'
import { DATASYNC } from '../watch-schema.ts'
import { addWith } from './open-services.ts'
import type { OpenStreams } from './open-services.ts'

type Handler = handleBidiStreamingCall<unknown, unknown>
type Package = ConstructorParameters<typeof ReflectionService>[0]

/** Tells grpcurl and its like what the services look like. */
export function addReflection(server: Server, streams: OpenStreams): void {
  const files = [fileOf(DATAMSG), fileOf(DATASYNC, snake), ...healthFiles()]
  const definitions = { types: { format: '', type: {}, fileDescriptorProtos: files } }
  const service = new ReflectionService(definitions as unknown as Package)
  addWith(server, service, ({ ServerReflectionInfo: handler }) => {
    const answer = handler as Handler
    const bounded: Handler = (call) => {
      if (!streams.admit(call)) return
      pace(call)
      answer(call)
    }
    return { ServerReflectionInfo: bounded }
  })
}

/** Reads no faster than the answers are taken: the library reads on while nobody takes any. */
function pace(call: Parameters<Handler>[0]): void {
  const write = call.write.bind(call) as (message: unknown) => boolean
  call.write = (message: unknown): boolean => {
    const more = write(message)
    if (!more) {
      call.pause()
      call.once('drain', () => call.resume())
    }
    return more
  }
}

/** The table's file as a FileDescriptorProto. */
function fileOf(table: ProtoTable, nameOf?: (field: string) => string): Buffer {
  const { file } = rootOf(table, nameOf).toDescriptor('proto3')
  const [only] = file
  return descriptor.FileDescriptorProto.encode({ ...only, name: table.file }).finish() as Buffer
}

/** The health service's files: of maps the library names the entries wrongly, and programs in Go refuse the whole file. */
function healthFiles(): Buffer[] {
  const files = health['Check']?.requestType.fileDescriptorProtos ?? []
  return files.map((bytes) => {
    const decoded: object = descriptor.FileDescriptorProto.decode(bytes)
    const file = decoded as IFileDescriptorProto
    for (const { nestedType, field } of file.messageType ?? []) {
      for (const entry of nestedType ?? []) {
        if (entry.options?.mapEntry !== true || entry.name?.endsWith('Entry') === true) continue
        const name = `${entry.name ?? ''}Entry`
        for (const each of field ?? []) if (each.typeName === entry.name) each.typeName = name
        entry.name = name
      }
    }
    return descriptor.FileDescriptorProto.encode(file).finish() as Buffer
  })
}
