import { findProgram, installDebian, whyNotDebian } from './programs.ts'
import { MissingServerError } from './provision-redis.ts'

/** The programs found, as paths. */
export interface EtcdPrograms {
  readonly server: string
  readonly ctl: string
}

/**
 * The etcd of this machine: the one in PATH, else Debian's, which is installed when we are root.
 * @throws MissingServerError
 */
export async function requireEtcd(): Promise<EtcdPrograms> {
  const present = await findEtcd()
  if (present !== undefined) return present
  const obstacle = await whyNotDebian()
  if (obstacle !== undefined) {
    throw new MissingServerError(`no etcd and etcdctl in PATH, and ${obstacle}`)
  }
  try {
    await installDebian('etcd-server', 'etcd')
    await installDebian('etcd-client', 'etcd')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new MissingServerError(`etcd could not be installed: ${why}`, { cause })
  }
  const installed = await findEtcd()
  if (installed === undefined) throw new MissingServerError('apt-get installed no etcd')
  return installed
}

/** Why {@link requireEtcd} fails, as one line; undefined when it does not. */
export async function whyNoEtcd(): Promise<string | undefined> {
  try {
    await requireEtcd()
    return undefined
  } catch (error) {
    if (error instanceof MissingServerError) return error.message.replace(/\s+/gu, ' ')
    throw error
  }
}

async function findEtcd(): Promise<EtcdPrograms | undefined> {
  const server = await findProgram('etcd')
  const ctl = await findProgram('etcdctl')
  return server === undefined || ctl === undefined ? undefined : { server, ctl }
}
