import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'

/** The folder of package.json. */
export const ROOT: string = join(import.meta.dirname, '../..')

/** Files under a folder of the repository, as paths from its root with `/`, ascending; [] when it does not exist. */
export function filesUnder(folder: string, extension: string): string[] {
  let entries
  try {
    entries = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(extension))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort()
}

/** The text of a file of the repository. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8')
}
