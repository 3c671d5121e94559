import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tempDir } from './temp-dir.ts'

const run = promisify(execFile)

/** PEM texts. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** An authority that signs for tests, valid for two days. */
export interface Authority {
  readonly ca: string
  /** For 127.0.0.1 and localhost. */
  server(): Promise<KeyPair>
  /** With the common name, and more names as OpenSSL writes them: `DNS:agent-1`. */
  client(name: string, more?: string): Promise<KeyPair>
}

export async function makeAuthority(): Promise<Authority> {
  const folder = await tempDir('certificates')
  const at = (name: string): string => join(folder, name)
  const openssl = (command: string): Promise<unknown> =>
    run('openssl', command.split(' '), { cwd: folder })
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  await openssl(`req -x509 ${newKey} -days 2 -subj /CN=test-authority -keyout ca.key -out ca.pem`)
  let count = 0
  const sign = async (name: string, names: string): Promise<KeyPair> => {
    const file = `pair${++count}`
    await writeFile(at(`${file}.cnf`), `subjectAltName=${names}\n`)
    await openssl(`req ${newKey} -subj /CN=${name} -keyout ${file}.key -out ${file}.csr`)
    await openssl(
      `x509 -req -in ${file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ${file}.cnf -out ${file}.pem`,
    )
    return {
      cert: await readFile(at(`${file}.pem`), 'utf8'),
      key: await readFile(at(`${file}.key`), 'utf8'),
    }
  }
  return {
    ca: await readFile(at('ca.pem'), 'utf8'),
    server: () => sign('127.0.0.1', 'IP:127.0.0.1,DNS:localhost'),
    client: (name, more = `DNS:${name}`) => sign(name, more),
  }
}
