import { join } from 'node:path'
import { expect, it } from '@jest/globals'
import { build } from 'esbuild'
import { ROOT } from '../support/repository.ts'

/** The transport, and with it an agent: what a page needs. */
const ENTRIES = {
  'rest alone': `export { rest } from './src/adapters/rest/index.ts'`,
  'rest and its errors': `export { rest } from './src/adapters/rest/index.ts'\nexport * from './src/api/errors.ts'`,
} as const

it.each(Object.entries(ENTRIES))(
  '%s bundles for browsers: nothing of Node',
  async (name, contents) => {
    // `platform: browser` resolves no built-in module: an import of one fails the build.
    const { outputFiles, metafile } = await build({
      stdin: { contents, resolveDir: ROOT, loader: 'ts' },
      bundle: true,
      write: false,
      minify: true,
      metafile: true,
      platform: 'browser',
      format: 'esm',
      target: 'es2022',
      absWorkingDir: ROOT,
      tsconfig: join(ROOT, 'tsconfig.json'),
      logLevel: 'silent',
    })
    const inputs = Object.keys(metafile.inputs)
    const foreign = inputs.filter(
      (file) =>
        !/^(?:<stdin>|src\/(?:api|kit|adapters\/rest)\/|node_modules\/eventsource-parser\/)/u.test(
          file,
        ),
    )
    expect(foreign).toEqual([])
    expect(inputs.filter((file) => file.includes('/server/'))).toEqual([])
    const [{ contents: bytes, text } = { contents: new Uint8Array(), text: '' }] = outputFiles
    expect(text).not.toMatch(/\brequire\(|from"node:|process\.env/u)
    process.stdout.write(`${name}: ${bytes.length} bytes, minified\n`)
    expect(bytes.length).toBeLessThan(60_000)
  },
)
