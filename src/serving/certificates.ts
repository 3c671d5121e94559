import { createSecureContext } from 'node:tls'
import type { SecureContextOptions, TlsOptions } from 'node:tls'
import { InvalidOptionError } from '../api/errors.ts'

/** That a server can be made of certificate and key. @throws InvalidOptionError (`SYNC_INVALID_OPTION`) */
export function assertCertificates(tls: SecureContextOptions & TlsOptions): void {
  const { cert, key, pfx, SNICallback, pskCallback } = tls
  // Node listens without any, and every handshake fails.
  if (!(cert && key) && !pfx && !SNICallback && !pskCallback) {
    throw new InvalidOptionError('tls', 'has no certificate with its key')
  }
  try {
    createSecureContext(tls)
  } catch (cause) {
    throw new InvalidOptionError('tls', 'certificate and key are none, or not of each other', {
      cause,
    })
  }
}
