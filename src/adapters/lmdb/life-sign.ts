import { Buffer } from 'node:buffer'
import { createConnection, createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

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
  readonly #server: Server

  private constructor(address: string, server: Server) {
    this.address = address
    this.#server = server
  }

  /** In the folder, or in the system's temporary one when that takes no sockets. @throws system errors */
  static async raise(folder: string, token: string): Promise<LifeSign> {
    if (process.platform === 'win32') {
      const pipe = `\\\\.\\pipe\\rx-datasync-${token}`
      return new LifeSign(pipe, await listen(pipe))
    }
    const name = `owner-${token}.sock`
    const inside = join(folder, name)
    if (Buffer.byteLength(inside) <= MAX_SOCKET_PATH_BYTES) {
      try {
        return new LifeSign(name, await listen(inside))
      } catch (error) {
        return await LifeSign.#elsewhere(name, error)
      }
    }
    return LifeSign.#elsewhere(name, undefined)
  }

  /** True unless it is certain that nobody listens. */
  static async isUp(folder: string, address: string): Promise<boolean> {
    return new Promise((settle) => {
      const socket = createConnection(resolve(folder, address))
      socket.once('connect', () => {
        socket.destroy()
        settle(true)
      })
      socket.once('error', (error: NodeJS.ErrnoException) => {
        settle(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
      })
    })
  }

  /** Idempotent. */
  lower(): Promise<void> {
    return new Promise((settle) => {
      this.#server.close(() => settle())
    })
  }

  static async #elsewhere(name: string, cause: unknown): Promise<LifeSign> {
    const address = join(tmpdir(), `rx-datasync-${name}`)
    try {
      return new LifeSign(address, await listen(address))
    } catch (error) {
      throw cause ?? error
    }
  }
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
