export const VIEWS = ['overview', 'runs', 'events', 'keys'] as const
export type View = (typeof VIEWS)[number]

export interface KeysRoute {
  readonly transport: string | undefined
  readonly prefix: string | undefined
  /** The key that is open. */
  readonly key: string | undefined
}

export interface Route extends KeysRoute {
  readonly view: View
}

/** `#keys/<transport>/<prefix>`, or `#keys/<transport>/<key>/open`. */
export function routeOf(hash: string): Route {
  const [view, transport, path, open] = hash.replace(/^#/u, '').split('/').map(decoded)
  const known = VIEWS.find((name) => name === view) ?? 'overview'
  const key = open === 'open' ? path : undefined
  const prefix = key === undefined ? path : key.slice(0, key.lastIndexOf('/') + 1)
  return { view: known, transport, prefix, key }
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
