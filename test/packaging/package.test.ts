import { readdir, readFile, writeFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { beforeAll, describe, expect, it } from '@jest/globals'
import { readText, ROOT } from '../support/repository.ts'
import { command, installInProject, packPackage, without } from './packed-package.ts'
import type { Outcome } from './packed-package.ts'

const OK = 0
const tools = join(ROOT, 'node_modules')
const manifest = JSON.parse(readText('package.json')) as {
  readonly name: string
  readonly exports: Readonly<Record<string, unknown>>
}
const entries = Object.keys(manifest.exports)
  .filter((entry) => entry !== './package.json')
  .map((entry) => entry.replace('.', manifest.name))

const entryOf = (name: string): string => `${manifest.name}/${name}`

/** Entries that load a driver; no other one does. */
const DRIVERS = [
  { driver: 'lmdb', users: [entryOf('lmdb')] },
  { driver: 'ioredis', users: [entryOf('redis')] },
  { driver: '@grpc/grpc-js', users: ['etcd', 'grpc', 'grpc/server'].map(entryOf) },
  { driver: 'kafkajs', users: [entryOf('kafka')] },
  { driver: 'prom-client', users: [entryOf('telemetry')] },
  { driver: '@opentelemetry/api', users: [entryOf('telemetry')] },
]

let tarball: string
let project: string

beforeAll(async () => {
  tarball = await packPackage()
  project = await installInProject(tarball)
})

describe('the packed package', () => {
  it('holds what is published and nothing else', async () => {
    const root = join(project, 'node_modules', manifest.name)
    expect((await readdir(root)).sort()).toEqual(
      [
        'CHANGELOG.md',
        'LICENSE',
        'README.md',
        'SPEC.md',
        'dist',
        'docs',
        'package.json',
        'proto',
      ].sort(),
    )
    const files = await readdir(join(root, 'dist'), { recursive: true })
    const kinds = /\.(?:js|js\.map|d\.ts)$/u
    const page = /^dashboard\/assets\/(?:\w+-\w+\.(?:js|css|svg)|licenses\.txt)$/u
    const others = files.filter((file) => file.includes('.') && !kinds.test(file))
    expect(others.filter((file) => !page.test(file))).toEqual([])
    const assets = files.filter((file) => page.test(file)).map((file) => extname(file))
    expect(assets.sort()).toEqual(['.css', '.js', '.svg', '.txt'])
  })

  it('declares nothing that TypeScript before 5.6 cannot read', async () => {
    const dist = join(project, 'node_modules', manifest.name, 'dist')
    const files = (await readdir(dist, { recursive: true })).filter((file) =>
      file.endsWith('.d.ts'),
    )
    const texts = await Promise.all(files.map((file) => readFile(join(dist, file), 'utf8')))
    // Its type had one parameter then.
    expect(texts.filter((text) => /AsyncIterableIterator<[^<>]*,/u.test(text))).toEqual([])
    expect(files.length).toBeGreaterThan(100)
  })

  it('needs no install script', async () => {
    const installed = JSON.parse(
      await readFile(join(project, 'node_modules', manifest.name, 'package.json'), 'utf8'),
    ) as { scripts: Record<string, string> }
    const scripts = Object.keys(installed.scripts)
    expect(scripts.filter((name) => /^(?:pre|post)?install$|^prepare$/u.test(name))).toEqual([])
  })

  it('satisfies publint', async () => {
    const publint = join(tools, 'publint/src/cli.js')
    const outcome = await node(publint, 'run', tarball, '--strict')
    expect(outcome).toMatchObject({ code: OK })
  })

  it('satisfies attw', async () => {
    const attw = join(tools, '@arethetypeswrong/cli/dist/index.js')
    const outcome = await node(attw, tarball, '--profile', 'esm-only', '--no-color')
    expect(outcome).toMatchObject({ code: OK })
  })
})

describe('in a project', () => {
  it.each(entries)('import %s', async (entry) => {
    expect(await importing(entry)).toMatchObject({ code: OK, output: expect.stringMatching(/\w/u) })
  })

  it.each(entries)('require %s', async (entry) => {
    const outcome = await node('-e', `console.log(Object.keys(require('${entry}')).join())`)
    expect(outcome).toMatchObject({ code: OK, output: expect.stringMatching(/\w/u) })
    expect(outcome.output).not.toContain('Warning')
  })

  it('import and require give the same classes', async () => {
    const outcome = await node(
      '-e',
      `const { SyncError } = require('${manifest.name}')
       import('${manifest.name}').then((all) => process.exit(all.SyncError === SyncError ? 0 : 1))`,
    )
    expect(outcome).toMatchObject({ code: OK })
  })

  it.each(DRIVERS)('$driver is loaded by its entries only', async ({ driver, users }) => {
    const others = entries.filter((name) => !users.includes(name))
    const outcomes = await without(project, driver, async () => {
      const all: Record<string, Outcome> = {}
      for (const name of others) all[name] = await importing(name)
      return all
    })
    expect(Object.entries(outcomes).filter(([, { code }]) => code !== OK)).toEqual([])
  })

  it('TypeScript finds the types of every entry, with those of Node alone, and reads them all', async () => {
    const lines = entries.map((entry, index) => `import * as entry${index} from '${entry}'`)
    const uses = entries.map((_, index) => `entry${index}`)
    await writeFile(
      join(project, 'types.mts'),
      `${lines.join('\n')}\nexport const all: readonly object[] = [${uses.join(', ')}]\n`,
    )
    const config = {
      compilerOptions: {
        module: 'NodeNext',
        target: 'ES2023',
        lib: ['ES2023', 'ESNext.Disposable'],
        strict: true,
        skipLibCheck: false,
        noEmit: true,
        typeRoots: [join(tools, '@types')],
        types: ['node'],
      },
      files: ['types.mts'],
    }
    await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config))
    const outcome = await node(join(tools, 'typescript/bin/tsc'), '-p', project)
    expect(outcome).toMatchObject({ code: OK })
  })

  it("the README's first program runs as it stands, prints what is below it and ends by itself", async () => {
    const { code, output } =
      /^```ts\n(?<code>.*?)^```.*?^```\n(?<output>.*?)^```/msu.exec(readText('README.md'))
        ?.groups ?? {}
    await writeFile(join(project, 'lamps.mjs'), code ?? '')
    expect(await node('lamps.mjs')).toMatchObject({ code: OK, output })
  })

  it('the dashboard serves its page from the files of the package', async () => {
    await writeFile(
      join(project, 'page.mjs'),
      `import { Agent, memory } from '${manifest.name}'
       import { serveDashboard } from '${manifest.name}/dashboard'
       const agent = new Agent({ transport: memory() })
       const page = await serveDashboard(agent)
       const html = await (await fetch(page.url)).text()
       for (const [, file] of html.matchAll(/"(assets.[^"]+)"/g)) {
         console.log((await fetch(page.url + file)).status)
       }
       await page.close()
       await agent.close()`,
    )
    expect(await node('page.mjs')).toMatchObject({ code: OK, output: '200\n200\n200\n' })
  })

  it('the command starts', async () => {
    const outcome = await command(project, join(project, 'node_modules/.bin/datasync'), ['--help'])
    expect(outcome).toMatchObject({ code: OK, output: expect.stringContaining('datasync') })
  })
})

function importing(entry: string): Promise<Outcome> {
  const program = `import * as all from '${entry}'; console.log(Object.keys(all).join())`
  return node('--input-type=module', '-e', program)
}

function node(...args: string[]): Promise<Outcome> {
  return command(project, process.execPath, args)
}
