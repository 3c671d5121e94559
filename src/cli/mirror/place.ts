/** A URL without what the same place can be written with or without: user, default port, database 0, TLS, order. */
export function placeOf(url: string): string {
  const etcd = /^etcds?:\/\/(?:.*@)?(?<members>[^/]*)\/?$/su.exec(url)?.groups?.['members']
  if (etcd !== undefined) return `etcd://${membersOf(etcd)}`
  const http = /^https?:\/\/(?:[^/]*@)?(?<server>[^/]*)(?<path>.*?)\/*$/su.exec(url)?.groups
  if (http !== undefined) {
    const server = http['server']?.replace(/:(?:80|443)$/u, '') ?? ''
    return `http://${server.replace(/^localhost(?=:|$)/u, '127.0.0.1')}${http['path']}`
  }
  return url
    .replace(/^(?:redis|rediss):\/\/(?:.*@)?/su, 'redis://')
    .replace(/^(?:redis|rediss)\+cluster:\/\/(?:.*@)?/su, 'redis+cluster://')
    .replace(/^(?<server>redis:\/\/.*?)(?::6379)?(?:\/0?)?$/su, '$<server>')
    .replace('//localhost', '//127.0.0.1')
}

function membersOf(list: string): string {
  return list
    .split(',')
    .map((member) => member.replace(/:2379$/u, '').replace(/^localhost(?=:|$)/u, '127.0.0.1'))
    .sort()
    .join(',')
}
