/** A URL without what the same place can be written with or without: user, default port, database 0, TLS. */
export function placeOf(url: string): string {
  return url
    .replace(/^(?:redis|rediss):\/\/(?:.*@)?/su, 'redis://')
    .replace(/^(?:redis|rediss)\+cluster:\/\/(?:.*@)?/su, 'redis+cluster://')
    .replace(/^(?<server>redis:\/\/.*?)(?::6379)?(?:\/0?)?$/su, '$<server>')
    .replace('//localhost', '//127.0.0.1')
}
