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
  const openssl = (command: string): Promise<unknown> =>
    run('openssl', command.split(' '), { cwd: folder })
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
  await writeFile(at('names.cnf'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n')
  await openssl(`req -x509 ${newKey} -days 2 -subj /CN=test-authority -keyout ca.key -out ca.pem`)
  await openssl(`req ${newKey} -subj /CN=127.0.0.1 -keyout server.key -out server.csr`)
  await openssl(
    'x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names.cnf -out server.pem',
  )
  return { ca: at('ca.pem'), certificate: at('server.pem'), key: at('server.key') }
}
