import { access, constants } from 'node:fs/promises'
import { findProgram, installDebian, whyNotDebian } from './programs.ts'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']

/** A Chromium that can be started, or why there is none. */
export type Chromium =
  | { readonly path: string }
  | { readonly path?: undefined; readonly missing: string }

/** That of `CHROMIUM_PATH`, else the one in PATH, else Debian's, which is installed when we are root. */
export async function findChromium(): Promise<Chromium> {
  const given = process.env['CHROMIUM_PATH'] || undefined
  if (given !== undefined) {
    const there = await access(given, constants.X_OK).then(
      () => true,
      () => false,
    )
    return there ? { path: given } : { missing: `CHROMIUM_PATH is ${given}, which cannot be run` }
  }
  const present = await inPath()
  if (present !== undefined) return { path: present }
  const obstacle = await whyNotDebian()
  if (obstacle !== undefined) {
    return { missing: `no ${NAMES[0]} in PATH, CHROMIUM_PATH is not set, and ${obstacle}` }
  }
  try {
    await installDebian('chromium')
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/\s+/gu, ' ') : String(error)
    return { missing: `chromium could not be installed: ${why}` }
  }
  const installed = await inPath()
  return installed === undefined
    ? { missing: 'apt-get installed no chromium' }
    : { path: installed }
}

async function inPath(): Promise<string | undefined> {
  for (const name of NAMES) {
    const path = await findProgram(name)
    if (path !== undefined) return path
  }
  return undefined
}
