import { createSecureContext } from 'node:tls'
import type { SecureContextOptions } from 'node:tls'
import { InvalidOptionError } from '../api/errors.ts'

/** That a server can be made of certificate and key. @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function assertCertificates(tls: SecureContextOptions): void {
  try {
    createSecureContext(tls)
  } catch (cause) {
    throw new InvalidOptionError('tls', 'certificate and key are none, or not of each other', {
      cause,
    })
  }
}
