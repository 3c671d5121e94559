import type { Server } from '@grpc/grpc-js'
import { ReflectionService } from '@grpc/reflection'
import descriptor from 'protobufjs/ext/descriptor.js'
import { DATAMSG } from '../datamsg-schema.ts'
import { rootOf, snake } from '../proto-table.ts'
import type { ProtoTable } from '../proto-table.ts'
import { DATASYNC } from '../watch-schema.ts'

type Package = ConstructorParameters<typeof ReflectionService>[0]

/** Tells grpcurl and its like what the services look like. */
export function addReflection(server: Server): void {
  const files = [fileOf(DATAMSG), fileOf(DATASYNC, snake)]
  const definitions = { types: { format: '', type: {}, fileDescriptorProtos: files } }
  new ReflectionService(definitions as unknown as Package).addToServer(server)
}

/** The table's file as a FileDescriptorProto. */
function fileOf(table: ProtoTable, nameOf?: (field: string) => string): Buffer {
  const { file } = rootOf(table, nameOf).toDescriptor('proto3')
  const [only] = file
  return descriptor.FileDescriptorProto.encode({ ...only, name: table.file }).finish() as Buffer
}
