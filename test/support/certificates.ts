import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { tempDir } from './temp-dir.ts'

const run = promisify(execFile)

/** PEM texts of an authority, a server on 127.0.0.1, a client `agent-1` and a stranger's client. */
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

/** Made by openssl, in a folder that is removed. */
export async function certificates(): Promise<Certificates> {
  const folder = await tempDir('certificates')
  const at = (name: string): string => join(folder, name)
  const openssl = (...args: string[]): Promise<unknown> => run('openssl', args, { cwd: folder })
  const authority = async (name: string): Promise<void> => {
    await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
    await openssl(
      'req',
      '-x509',
      '-new',
      '-key',
      `${name}.key`,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-out',
      `${name}.crt`,
    )
  }
  const signed = async (name: string, by: string, subject: string, san: string): Promise<void> => {
    await openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
    await openssl('req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`)
    await writeFile(at(`${name}.ext`), `subjectAltName=${san}\n`)
    await openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      `${by}.crt`,
      '-CAkey',
      `${by}.key`,
      '-CAcreateserial',
      '-days',
      '2',
      '-extfile',
      `${name}.ext`,
      '-out',
      `${name}.crt`,
    )
  }
  await authority('ca')
  await authority('other')
  await signed('server', 'ca', '/CN=localhost', 'IP:127.0.0.1,DNS:localhost')
  await signed('client', 'ca', '/CN=agent-1', 'DNS:agent-1.example')
  await signed('stranger', 'other', '/CN=agent-1', 'DNS:agent-1.example')
  const read = (name: string): Promise<string> => readFile(at(name), 'utf8')
  return {
    ca: await read('ca.crt'),
    serverCert: await read('server.crt'),
    serverKey: await read('server.key'),
    clientCert: await read('client.crt'),
    clientKey: await read('client.key'),
    strangerCert: await read('stranger.crt'),
    strangerKey: await read('stranger.key'),
    files: { ca: at('ca.crt'), clientCert: at('client.crt'), clientKey: at('client.key') },
  }
}
