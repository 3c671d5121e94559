import type { ComponentChildren, VNode } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { ValueView } from '../protocol.ts'
import { ago, base64OfHex, bytes, clock, hexLines, shownKey } from './format.ts'
import type { Look, Tone } from './tone.ts'

/** A shape per tone, so that colour is never the only sign. */
export function Glyph({ tone }: { tone: Tone }): VNode {
  return (
    <svg class={`glyph tone-${tone}`} viewBox="0 0 12 12" aria-hidden="true">
      {tone === 'good' && <circle cx="6" cy="6" r="4.5" class="fill" />}
      {tone === 'busy' && <path d="M6 1.5A4.5 4.5 0 1 1 1.5 6" class="line" />}
      {tone === 'warn' && <path d="M6 1.2 11.3 10.6H.7Z" class="fill" />}
      {tone === 'bad' && <path d="M2.2 2.2l7.6 7.6M9.8 2.2 2.2 9.8" class="line thick" />}
      {tone === 'idle' && <circle cx="6" cy="6" r="3.7" class="line" />}
    </svg>
  )
}

/** A state: shape, colour and word. `was`: the word as of a time that is over. */
export function Badge({ look, was = false }: { look: Look; was?: boolean }): VNode {
  return (
    <span class={`badge tone-${was ? 'idle' : look.tone}`}>
      <Glyph tone={was ? 'idle' : look.tone} />
      {was ? `was ${look.label}` : look.label}
    </span>
  )
}

export function Key({ text }: { text: string }): VNode {
  return <bdi class="key">{text === '' ? <i>all keys</i> : shownKey(text)}</bdi>
}

/** A time of the agent's clock: how long ago, and exactly when asked. */
export function Ago({ at, ahead }: { at: number; ahead: number }): VNode {
  const now = useNow()
  return (
    <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {ago(Math.max(0, now + ahead - at))}
    </time>
  )
}

export function At({ at }: { at: number }): VNode {
  return (
    <time dateTime={new Date(at).toISOString()} title={new Date(at).toLocaleString()}>
      {clock(at)}
    </time>
  )
}

/** Draws again every second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return now
}

export function Empty({ title, children }: { title: string; children: ComponentChildren }): VNode {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      <p>{children}</p>
    </div>
  )
}

/** A wide table: scrolls by itself, by keyboard too. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }): VNode {
  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  )
}

/** How a value's bytes are shown. */
export function encodingLabel({ encoding }: ValueView, model?: string): string {
  if (encoding === 'json')
    return model === undefined ? 'JSON' : `JSON by the model ${shownKey(model)}`
  return encoding === 'text' ? 'UTF-8 text' : 'binary, in hex'
}

/** The text of a value in one line. */
export function oneLine({ encoding, text, size, cut }: ValueView): string {
  if (size === 0) return '(empty)'
  if (encoding === 'hex') return `0x${text.slice(0, 96)}${text.length > 96 || cut ? '…' : ''}`
  const line = shownKey(encoding === 'json' ? text.replace(/\n\s*/gu, ' ') : text)
  return cut ? `${line}…` : line
}

/** A value as a whole. */
export function Value({ value, base64 = false }: { value: ValueView; base64?: boolean }): VNode {
  if (value.size === 0)
    return <p class="muted">An empty value: zero bytes, which is not the same as no key.</p>
  const hex = value.encoding === 'hex'
  const text = !hex ? value.text : base64 ? base64OfHex(value.text) : hexLines(value.text)
  return (
    <>
      {value.problem !== undefined && <p class="problem-line">{value.problem}</p>}
      <pre class="value" tabIndex={0} aria-label="Value">
        {text}
      </pre>
      {value.cut === true && (
        <p class="muted">
          Only the beginning of {bytes(value.size)} is shown; it cannot be edited here.
        </p>
      )}
    </>
  )
}
