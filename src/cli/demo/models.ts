import protobuf from 'protobufjs'
import protojson from 'protobufjs/ext/protojson.js'
import { codec } from '../../api/message.ts'
import type { Codec } from '../../api/message.ts'
import { model } from '../../api/model.ts'
import type { Model } from '../../api/model.ts'

/** The demo's messages; a real application would have generated classes. */
const SCHEMA = `
syntax = "proto3";
package demo;

message Interface {
  bool enabled = 1;
  repeated string addresses = 2;
  uint32 mtu = 3;
}

message Route {
  string network = 1;
  string next_hop = 2;
  string interface = 3;
}

message AccessList {
  message Rule {
    bool permit = 1;
    string network = 2;
  }
  repeated Rule rules = 1;
}
`

export interface Interface {
  readonly enabled: boolean
  readonly addresses: readonly string[]
  readonly mtu: number
}

export interface Route {
  readonly network: string
  readonly nextHop: string
  readonly interface: string
}

export interface AccessList {
  readonly rules: readonly { readonly permit: boolean; readonly network: string }[]
}

/** A model and how its values are written. */
export interface DemoModel<T> {
  readonly items: Model<T>
  readonly codec: Codec<T>
}

/** The models of the three plugins. */
export interface DemoModels {
  readonly interfaces: DemoModel<Interface>
  readonly routes: DemoModel<Route>
  readonly accessLists: DemoModel<AccessList>
}

export function demoModels(): DemoModels {
  const { root } = protobuf.parse(SCHEMA)
  const create = <T>(prefix: string, name: string): DemoModel<T> => {
    const type = root.lookupType(`demo.${name}`)
    const values = codec<T>({
      encode: (value) => type.encode(type.fromObject(value as object)).finish(),
      decode: (bytes) => type.toObject(type.decode(bytes), { defaults: true }) as T,
    })
    const json = {
      toJson: (value: T): unknown => protojson.toJson(type, type.fromObject(value as object)),
      fromJson: (value: unknown): T =>
        type.toObject(protojson.fromJson(type, value), { defaults: true }) as T,
    }
    return { items: model(prefix, values, { json }), codec: values }
  }
  return {
    interfaces: create('/config/interfaces/', 'Interface'),
    routes: create('/config/routes/', 'Route'),
    accessLists: create('/config/access-lists/', 'AccessList'),
  }
}
