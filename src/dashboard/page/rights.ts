import type { ClientView, RegistrationView } from '../protocol.ts'

export function mayWrite(client: ClientView, keyOrPrefix: string): boolean {
  return client.writable.some((prefix) => keyOrPrefix.startsWith(prefix))
}

/** As the server judges it. */
export function mayResync(client: ClientView, registrations: readonly RegistrationView[]): boolean {
  return (
    client.writable.length > 0 &&
    registrations.every(
      ({ prefixes, restricted }) =>
        restricted !== true && prefixes.every((prefix) => mayWrite(client, prefix)),
    )
  )
}
