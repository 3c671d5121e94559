import { Buffer } from 'node:buffer'
import { closeSync, openSync, realpathSync, rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** The longest socket path that every system takes. */
const MAX_SOCKET_PATH_BYTES = 100

export const SOCKET_NAME: RegExp = /^owner-[\w-]+\.sock$/

/**
 * A listening local socket: it goes down with the process, whatever kills it, and nobody else can raise it. Unlike a
 * process number it means the same in every container that sees the folder.
 */
export class LifeSign {
  /** Where others look for it: a name inside the store's folder, so that a copied folder has none. */
  readonly address: string
  readonly #folder: string
  readonly #server: Server

  private constructor(folder: string, address: string, server: Server) {
    this.#folder = folder
    this.address = address
    this.#server = server
  }

  /** In the folder, or in the system's temporary one when that takes no sockets. @throws system errors */
  static async raise(folder: string, token: string): Promise<LifeSign> {
    if (process.platform === 'win32') {
      const pipe = `\\\\.\\pipe\\rx-datasync-${token}`
      return new LifeSign(folder, pipe, await listen(pipe))
    }
    const name = `owner-${token}.sock`
    try {
      return new LifeSign(folder, name, await reach(folder, name, listen))
    } catch (cause) {
      const elsewhere = join(tmpdir(), `rx-datasync-${name}`)
      try {
        return new LifeSign(folder, elsewhere, await listen(elsewhere))
      } catch {
        throw cause
      }
    }
  }

  /** True unless it is certain that nobody listens. */
  static async isUp(folder: string, address: string): Promise<boolean> {
    try {
      await (isAbsolute(address) ? connect(address) : reach(folder, address, connect))
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      return code !== 'ECONNREFUSED' && code !== 'ENOENT'
    }
  }

  /** Idempotent. */
  async lower(): Promise<void> {
    await new Promise<void>((settle) => {
      this.#server.close(() => settle())
    })
    // The server may know it by a name that led there for a moment only.
    if (!isAbsolute(this.address)) rmSync(join(this.#folder, this.address), { force: true })
  }
}

/** Gives `use` a path of the socket that is short enough. @throws what `use` throws */
async function reach<T>(
  folder: string,
  name: string,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(realpathSync(folder), name)
  const isShort = Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES
  if (isShort || process.platform !== 'linux') return use(path)
  const fd = openSync(folder, 'r')
  try {
    return await use(`/proc/self/fd/${fd}/${name}`)
  } finally {
    closeSync(fd)
  }
}

function connect(path: string): Promise<void> {
  return new Promise((settle, reject) => {
    const socket = createConnection(path)
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.destroy()
      settle()
    })
  })
}

function listen(path: string): Promise<Server> {
  return new Promise((settle, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', reject)
    // A cluster worker would else share the socket of its primary.
    server.listen({ path, exclusive: true }, () => {
      server.off('error', reject)
      // Failing to accept changes nothing: the caller got its connection from the system.
      server.on('error', () => undefined)
      server.unref()
      settle(server)
    })
  })
}
