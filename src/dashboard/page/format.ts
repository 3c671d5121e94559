import { printable } from '../../kit/printable.ts'

const COUNT = new Intl.NumberFormat('en')
const CLOCK = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
})

export function count(value: number): string {
  return COUNT.format(value)
}

/** `1 key`, `2 keys`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`
}

export function bytes(value: number): string {
  if (value < 1024) return `${value} B`
  const units = ['KiB', 'MiB', 'GiB']
  let rest = value / 1024
  let unit = 0
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024
    unit++
  }
  return `${rest < 10 ? rest.toFixed(1) : Math.round(rest)} ${units[unit]}`
}

export function duration(ms: number): string {
  if (ms < 1) return '< 1 ms'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`
  const minutes = Math.floor(ms / 60_000)
  return minutes < 60
    ? `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** `14:03:22`. */
export function clock(at: number): string {
  return CLOCK.format(at)
}

/** `14:03:22.041`. */
export function clockMs(at: number): string {
  return `${clock(at)}.${String(Math.floor(at) % 1_000).padStart(3, '0')}`
}

/** `just now`, `12 s ago`. */
export function ago(ms: number): string {
  if (ms < 2_000) return 'just now'
  if (ms < 60_000) return `${Math.round(ms / 1_000)} s ago`
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min ago`
  if (ms < 86_400_000) return `${Math.round(ms / 3_600_000)} h ago`
  return `${Math.round(ms / 86_400_000)} days ago`
}

/** A key as it can be read: what is invisible, or turns what is around it, is written out. */
export function shownKey(key: string): string {
  return printable(key)
}

/** Bytes in hex, with a blank after each and a line for every 16. */
export function hexLines(hex: string): string {
  const pairs = hex.match(/../gu) ?? []
  const lines: string[] = []
  for (let i = 0; i < pairs.length; i += 16) lines.push(pairs.slice(i, i + 16).join(' '))
  return lines.join('\n')
}

export function base64OfHex(hex: string): string {
  const pairs = hex.match(/../gu) ?? []
  return btoa(pairs.map((pair) => String.fromCharCode(Number.parseInt(pair, 16))).join(''))
}
