import { randomUUID } from 'node:crypto'
import { describe, it } from '@jest/globals'
import { Agent } from '../../src/index.ts'
import { contractSuite } from '../../src/testing/index.ts'
import type { ContractFixture } from '../../src/testing/index.ts'

/** The suite that every transport passes, under Jest. */
export function contract(name: string, createFixture: () => Promise<ContractFixture>): void {
  contractSuite({ describe, it, Agent }, { name, createFixture })
}

/** A prefix that no other test uses. */
export function uniquePrefix(): string {
  return `/t${randomUUID().slice(0, 8)}/`
}
