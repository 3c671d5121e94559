export type {
  Change,
  ChangeEvent,
  DeleteEvent,
  Delivery,
  KeyVal,
  LazyValue,
  PutEvent,
} from './api/change-event.ts'
export type { Clock, Timer } from './api/clock.ts'
export * from './api/errors.ts'
export type { EventResult, Handling, Instrumentation, ServerKind } from './api/instrumentation.ts'
export { compareKeys, hasPrefix, MAX_KEY_BYTES } from './api/key.ts'
export type { Logger } from './api/logger.ts'
export { codec, raw } from './api/message.ts'
export type { Codec, Message, MessageType } from './api/message.ts'
export { model } from './api/model.ts'
export type { JsonCodec, Model, Prefix, ValueOf } from './api/model.ts'
export type { Plugin, PluginContext, Sync } from './api/plugin.ts'
export type { RefusalReport } from './api/refusal-report.ts'
export type { ResyncEvent, ResyncReason } from './api/resync-event.ts'
export type { RunReport, TurnOutcome, TurnReport } from './api/run-report.ts'
export type {
  Page,
  PageOptions,
  Replacement,
  ReplaceResult,
  ReplaceTurn,
  Servable,
  Served,
  ServedOptions,
} from './api/served.ts'
export type {
  LastResync,
  RegistrationState,
  RegistrationStatus,
  TransportState,
  TransportStatus,
} from './api/status.ts'
export type {
  Batch,
  BatchIterator,
  BatchStream,
  Capabilities,
  CommitOptions,
  CommitResult,
  Io,
  ListPart,
  Op,
  Position,
  RawChange,
  RawPair,
  Receipt,
  Transport,
} from './api/transport.ts'
export type {
  Checkpoint,
  CheckpointPart,
  Handlers,
  KeyValProtoWatcher,
  KeyValReader,
  WatchOptions,
  WatchRegistration,
} from './api/watcher.ts'
export type {
  DeleteResult,
  DelOptions,
  KeyProtoValWriter,
  Publication,
  PublishResult,
  PutConditions,
  PutOptions,
  PutResult,
  Transaction,
  TransactionResult,
  WaitOptions,
} from './api/writer.ts'
export { Agent } from './agent/agent.ts'
export type { AgentOptions } from './agent/agent-options.ts'
export type { Health, PluginState, PluginStatus, RegistrationInfo } from './agent/health.ts'
export { acknowledge } from './engine/acknowledge.ts'
export { aggregate } from './engine/aggregate.ts'
export { diff } from './engine/diff.ts'
export { cached } from './adapters/cached/index.ts'
export type { CachedOptions } from './adapters/cached/index.ts'
export { composite } from './adapters/composite/index.ts'
export type { CompositeOptions } from './adapters/composite/index.ts'
export { memory } from './adapters/memory/index.ts'
export type { MemoryOptions } from './adapters/memory/index.ts'
export { prefixed } from './adapters/prefixed/index.ts'
