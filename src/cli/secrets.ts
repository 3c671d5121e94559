import { maskUrl } from '../api/errors.ts'

const SHOWN = '***'

/** The passwords that the command line names; they appear in no message. */
export class Secrets {
  readonly #known = new Set<string>()

  /** Learns the password of a URL, as it is written and decoded. */
  learn(url: string): void {
    const login = /^[^:]+:\/\/(?<login>.*)@/su.exec(url)?.groups?.['login']
    if (login === undefined) return
    const password = login.slice(login.indexOf(':') + 1)
    for (const secret of [password, decoded(password)]) this.learnText(secret)
  }

  /** Learns a secret that stands alone. */
  learnText(secret: string): void {
    // What is that short stands in too many other words.
    if (secret.length > 2) this.#known.add(secret)
  }

  /** The text without secrets; URLs lose user and password. */
  mask(text: string): string {
    // How a URL is written has no secret in it.
    let masked = text.replace(/\b[\w+]+:\/\/(?!\[(?:user:password|:token)@\])[^\s"']*@/gu, (url) =>
      maskUrl(url.replace(/\/\/.*@/su, '//***@')),
    )
    for (const secret of this.#known) masked = masked.replaceAll(secret, SHOWN)
    return masked
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
