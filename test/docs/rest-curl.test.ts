import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from '@jest/globals'
import { codec, model } from '../../src/index.ts'
import { readText } from '../support/repository.ts'
import { serveAgent } from '../support/rest.ts'

const run = promisify(execFile)

interface Step {
  readonly command: string
  readonly output: string
}

/** The commands of all `console` fences, each with what it prints. */
function stepsIn(text: string): Step[] {
  const fences = [...text.matchAll(/^```console\n(.*?)^```$/gmsu)].map((match) => match[1] ?? '')
  return fences.flatMap((fence) =>
    fence
      .split(/^\$ /mu)
      .slice(1)
      .map((step) => {
        const end = step.indexOf('\n')
        return { command: step.slice(0, end), output: step.slice(end + 1) }
      }),
  )
}

/** `…` stands for anything; alone on a line for any lines, or none. */
function patternOf(output: string): RegExp {
  const lines = output
    .trimEnd()
    .split('\n')
    .map((line) => line.split('…').map(escaped).join('.*?'))
  return new RegExp(
    `^\\s*${lines.map((line) => (line === '.*?' ? '[^]*?' : line)).join('\\n')}\\s*$`,
    'u',
  )
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, '\\$&')
}

it('every command of docs/adapters/rest.md prints what stands there', async () => {
  const json = codec({
    encode: (value: unknown) => Buffer.from(JSON.stringify(value)),
    decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as unknown,
  })
  const lamps = model('/lamp/', json, { json: { toJson: (v) => v, fromJson: (v) => v } })
  const { url } = await serveAgent({ models: [lamps] })
  const steps = stepsIn(readText('docs/adapters/rest.md'))
  expect(steps.length).toBeGreaterThan(25)
  // One shell for all: later commands use what earlier ones have set.
  const border = '@@@@'
  const script = steps.map(({ command }) => `${command}\nprintf '\\n${border}\\n'`).join('\n')
  const { stdout } = await run('bash', ['-c', script], { env: { ...process.env, API: url } })
  const outputs = stdout.split(`\n${border}\n`)
  expect(outputs.length).toBe(steps.length + 1)
  const wrong = steps.flatMap(({ command, output }, index) => {
    const printed = outputs[index] ?? ''
    return patternOf(output).test(printed) ? [] : [{ command, output, printed }]
  })
  expect(wrong).toEqual([])
}, 60_000)

it('the document names every route, parameter and status of the OpenAPI document', async () => {
  const { url } = await serveAgent()
  const document = (await (await fetch(`${url}/v1/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { parameters?: { $ref: string }[]; responses?: object }>>
    components: { parameters: Record<string, { name: string }> }
  }
  const text = readText('docs/adapters/rest.md')
  for (const [path, methods] of Object.entries(document.paths)) {
    expect(text).toContain(path.replace('{path}', '<path>'))
    for (const [method, { parameters = [], responses = {} }] of Object.entries(methods)) {
      if (method === 'parameters') continue
      for (const { $ref } of parameters) {
        const { name } = document.components.parameters[$ref.split('/').at(-1) ?? ''] ?? {}
        expect(text).toContain(name)
      }
      for (const status of Object.keys(responses))
        if (status !== '500') expect(text).toMatch(new RegExp(`\\b${status}\\b`, 'u'))
    }
  }
})
