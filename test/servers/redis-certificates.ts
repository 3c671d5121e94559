import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Paths of PEM files. */
export interface RedisCertificates {
  /** The authority to trust. */
  readonly ca: string
  readonly certificate: string
  readonly key: string
}

/** Makes an authority and a server certificate for 127.0.0.1 and localhost, valid for two days. */
export async function makeCertificates(folder: string): Promise<RedisCertificates> {
  const at = (name: string): string => join(folder, name)
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  await run('openssl', [
    ...['req', '-x509', ...newKey, '-days', '2', '-subj', '/CN=rx-datasync test authority'],
    ...['-keyout', at('ca.key'), '-out', at('ca.pem')],
  ])
  await run('openssl', [
    ...['req', ...newKey, '-subj', '/CN=127.0.0.1'],
    ...['-keyout', at('server.key'), '-out', at('server.csr')],
  ])
  await writeFile(at('names.cnf'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  await run('openssl', [
    ...['x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key')],
    ...['-CAcreateserial', '-days', '2', '-extfile', at('names.cnf'), '-out', at('server.pem')],
  ])
  return { ca: at('ca.pem'), certificate: at('server.pem'), key: at('server.key') }
}
