import { expect, it } from '@jest/globals'
import { Registry } from 'prom-client'
import { metrics } from '../../src/telemetry/index.ts'
import { readText } from '../support/repository.ts'

it('docs/operations.md lists every metric with its type', async () => {
  const register = new Registry()
  metrics({ register })
  const made = await register.getMetricsAsJSON()
  const rows = [...readText('docs/operations.md').matchAll(/^\| `(datasync_\w+)` \| (\w+) \|/gmu)]
  expect(rows.map(([, name, type]) => [name, type])).toEqual(
    made.map(({ name, type }) => [name, String(type)]),
  )
})
