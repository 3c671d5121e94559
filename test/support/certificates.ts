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

/** PEM texts of an authority, a server on 127.0.0.1, a client `agent-1` and a stranger's client of the same name. */
export interface Certificates {
  readonly ca: string
  readonly serverCert: string
  readonly serverKey: string
  readonly clientCert: string
  readonly clientKey: string
  readonly strangerCert: string
  readonly strangerKey: string
  readonly files: { readonly ca: string; readonly clientCert: string; readonly clientKey: string }
}

export async function certificates(): Promise<Certificates> {
  const [ours, other] = await Promise.all([makeAuthority(), makeAuthority()])
  const server = await ours.server()
  const client = await ours.client('agent-1', 'DNS:agent-1.example')
  const stranger = await other.client('agent-1', 'DNS:agent-1.example')
  const folder = await tempDir('certificates')
  const written = async (name: string, text: string): Promise<string> => {
    const path = join(folder, name)
    await writeFile(path, text)
    return path
  }
  return {
    ca: ours.ca,
    serverCert: server.cert,
    serverKey: server.key,
    clientCert: client.cert,
    clientKey: client.key,
    strangerCert: stranger.cert,
    strangerKey: stranger.key,
    files: {
      ca: await written('ca.pem', ours.ca),
      clientCert: await written('client.pem', client.cert),
      clientKey: await written('client.key', client.key),
    },
  }
}
