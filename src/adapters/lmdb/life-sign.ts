import { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createConnection, createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'

/** The longest socket path that every system takes. */
const MAX_SOCKET_PATH_BYTES = 100

/** A younger socket may belong to a process that is just starting. */
const NEW_MS = 60_000

/** Process number, when the process began, and something of its own. */
const SOCKET_NAME = /^owner-(\d+)-(\d+)-\w+\.sock$/

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
  static async raise(folder: string): Promise<LifeSign> {
    const token = `${process.pid}-${processStart()}-${randomUUID().slice(0, 8)}`
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

  /**
   * True when a process of another container with the number of this one uses the store, or is about to: LMDB tells
   * readers by that number and cannot serve both.
   */
  static async hasTwin(folder: string): Promise<boolean> {
    for (const { name, pid, start } of socketsIn(folder)) {
      if (pid !== String(process.pid) || start === processStart()) continue
      // oxlint-disable-next-line no-await-in-loop -- a handful at most
      if (await LifeSign.isUp(folder, name)) return true
    }
    return false
  }

  /**
   * Removes the sockets that killed processes left: that of the `former` owner, and old ones. A new one may be about to
   * listen. @returns why one could not be removed
   */
  static async sweep(folder: string, former: string | undefined): Promise<readonly unknown[]> {
    const errors: unknown[] = []
    for (const { name } of socketsIn(folder)) {
      const path = join(folder, name)
      try {
        const isOld = Date.now() - statSync(path).mtimeMs > NEW_MS
        // oxlint-disable-next-line no-await-in-loop -- a handful at most
        if ((isOld || name === former) && !(await LifeSign.isUp(folder, name))) {
          rmSync(path, { force: true })
        }
      } catch (error) {
        errors.push(error)
      }
    }
    return errors
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

function socketsIn(folder: string): { name: string; pid: string; start: string }[] {
  return readdirSync(folder).flatMap((name) => {
    const [, pid, start] = SOCKET_NAME.exec(name) ?? []
    return pid === undefined || start === undefined ? [] : [{ name, pid, start }]
  })
}

/** In ticks since the system began, where that can be had: the same in all threads, another in every process. */
function processStart(): string {
  if (process.platform !== 'linux') return '0'
  const stat = readFileSync('/proc/self/stat', 'latin1')
  // The name, in brackets, may hold anything; the start is the 22nd field, the 20th behind it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '0'
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
    // A cluster worker would else share the socket of its primary. Another user who may open the store may also look
    // whether we live; there is nothing behind the socket.
    server.listen({ path, exclusive: true, readableAll: true, writableAll: true }, () => {
      server.off('error', reject)
      // Failing to accept changes nothing: the caller got its connection from the system.
      server.on('error', () => undefined)
      server.unref()
      settle(server)
    })
  })
}
