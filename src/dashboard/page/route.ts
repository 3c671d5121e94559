import { useEffect, useState } from 'preact/hooks'
import { routeOf } from './address.ts'
import type { Route } from './address.ts'

/** Where the address bar says that we are. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash))
  useEffect(() => {
    const onChange = (): void => setRoute(routeOf(location.hash))
    addEventListener('hashchange', onChange)
    return () => removeEventListener('hashchange', onChange)
  }, [])
  return route
}
