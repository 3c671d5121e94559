export { contractSuite } from './watch-contract.ts'
export type { ContractFixture, ContractOptions, ExternalWriter } from './contract-fixture.ts'
export type {
  AgentClass,
  ContractTools,
  TestAgent,
  TestAgentOptions,
  TestRunner,
  TestRunReport,
} from './runner.ts'
export { DeliveryCheck } from './delivery-check.ts'
export type { DeliveryCheckOptions, FoldedPair } from './delivery-check.ts'
export { Recorded, Recorder } from './recorder.ts'
export type { Answer, RecorderOptions } from './recorder.ts'
export { Interruptible } from './interruptible.ts'
export { FakeClock } from './fake-clock.ts'
export { ScriptedTransport, TransportScript } from './scripted-transport.ts'
export type { ScriptedCommit, ScriptedTransportOptions } from './scripted-transport.ts'
export { ScriptedStream } from './scripted-stream.ts'
export type { ChangesOptions } from './scripted-stream.ts'
export type { ChangeInput, PairInput } from './script-inputs.ts'
