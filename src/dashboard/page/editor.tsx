import type { TargetedEvent, VNode } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { PairView, PutRequest, TransportView, ValueEncoding } from '../protocol.ts'
import { ProblemError, putKey, textOf } from './api.ts'
import { fieldTextOf, textOfField } from './field-text.ts'
import type { FieldText } from './field-text.ts'
import { base64OfHex, counted, hexLines, shownKey } from './format.ts'
import { encodingLabel, Value } from './parts.tsx'

export interface Saved {
  readonly key: string
  readonly text: string
  readonly tone: 'good' | 'bad'
}

interface Conflict {
  /** What is there now; null when the key is absent. */
  readonly current: PairView | null
}

/**
 * Changes a value, or makes a new key. What is saved replaces exactly the version that was seen; when there is another
 * by now, both are shown and the user decides.
 */
export function Editor({
  transport,
  pair,
  newKey,
  onSaved,
  onCancel,
  onDirty,
  onOpen,
}: {
  transport: TransportView
  /** What is edited; undefined for a new key. */
  pair: PairView | undefined
  /** What a new key begins with. */
  newKey: string
  onSaved: (saved: Saved) => void
  onCancel: () => void
  onDirty: (dirty: boolean) => void
  onOpen: (key: string) => void
}): VNode {
  const [key, setKey] = useState(pair?.key ?? newKey)
  const [{ encoding, text, lineEnd }, setValue] = useState(() => editable(pair))
  /** The version that is replaced; undefined: there is to be none. */
  const [version, setVersion] = useState(pair?.version)
  const [seconds, setSeconds] = useState('')
  const [applied, setApplied] = useState(transport.applied)
  const [saving, setSaving] = useState(false)
  const [problem, setProblem] = useState('')
  const [conflict, setConflict] = useState<Conflict | undefined>()
  const keyField = useRef<HTMLInputElement>(null)
  const valueField = useRef<HTMLTextAreaElement>(null)
  const alert = useRef<HTMLDivElement>(null)

  useEffect(() => (keyField.current ?? valueField.current)?.focus(), [])
  useEffect(() => {
    if (conflict !== undefined) alert.current?.focus()
  }, [conflict])

  const touched = (): void => {
    onDirty(true)
    setProblem('')
    // Another key is another question.
    if (pair === undefined) setConflict(undefined)
  }
  const save = async (expected: string | undefined): Promise<void> => {
    const ttl = seconds.trim() === '' ? undefined : Number(seconds)
    if (key === '') return setProblem('A key has at least one character.')
    if (ttl !== undefined && !(ttl > 0))
      return setProblem('The time to live must be a number of seconds.')
    const request: PutRequest = {
      value: { encoding, text: textOfField({ text, lineEnd }) },
      ...(expected === undefined ? { ifAbsent: true } : { ifVersion: expected }),
      ...(ttl === undefined ? {} : { ttlMs: Math.round(ttl * 1_000) }),
      waitFor: applied ? 'applied' : 'stored',
    }
    setSaving(true)
    setProblem('')
    try {
      const { receivers } = await putKey(transport.name, key, request)
      const by = receivers === undefined ? '' : `, applied by ${counted(receivers, 'receiver')}`
      onDirty(false)
      onSaved({ key, text: `Stored ${shownKey(key)}${by}`, tone: 'good' })
    } catch (error) {
      if (!(error instanceof ProblemError))
        return setProblem(`Perhaps not saved: ${textOf(error)}.`)
      const { code, current, detail, outcome } = error.problem
      if (code === 'SYNC_VERSION_CONFLICT') {
        setConflict({ current: current ?? null })
      } else if (outcome === 'stored') {
        onDirty(false)
        const what = code === 'SYNC_REFUSED' ? detail : `stored, but ${detail}`
        onSaved({ key, text: `${shownKey(key)}: ${what}`, tone: 'bad' })
      } else {
        setProblem(`${outcome === 'unknown' ? 'Perhaps not' : 'Not'} saved: ${detail}`)
      }
    } finally {
      setSaving(false)
    }
    return undefined
  }
  const submit = (event: TargetedEvent<HTMLFormElement>): void => {
    event.preventDefault()
    if (!saving && conflict === undefined) void save(version)
  }
  const show = (to: ValueEncoding): void => {
    touched()
    const value = converted({ encoding, text, lineEnd }, to)
    if (value === undefined) setProblem('As text its line ends, of several kinds, would be lost.')
    else setValue(value)
  }
  const overwrite = (): void => {
    const seen = conflict?.current?.version
    setConflict(undefined)
    setVersion(seen)
    void save(seen)
  }
  return (
    <form
      class="editor"
      onSubmit={submit}
      aria-label={pair === undefined ? 'New key' : 'Edit the value'}
    >
      {pair === undefined && (
        <label class="field wide">
          <span>Key</span>
          <input
            ref={keyField}
            class="mono"
            value={key}
            spellcheck={false}
            autocomplete="off"
            onInput={(event) => {
              touched()
              setKey(event.currentTarget.value)
            }}
          />
        </label>
      )}
      <label class="field">
        <span>Value as</span>
        <select
          value={encoding}
          onChange={(event) => show(event.currentTarget.value as ValueEncoding)}
        >
          {(pair === undefined || pair.model !== undefined) && (
            <option value="json">JSON, by its model</option>
          )}
          <option value="text">text (UTF-8)</option>
          <option value="hex">hex</option>
          <option value="base64">base64</option>
        </select>
      </label>
      <label class="field wide">
        <span>Value</span>
        <textarea
          ref={valueField}
          class="mono"
          rows={Math.min(18, Math.max(6, text.split('\n').length + 2))}
          value={text}
          spellcheck={false}
          onInput={(event) => {
            touched()
            setValue({ encoding, lineEnd, text: event.currentTarget.value })
          }}
          onKeyDown={(event) => {
            if (event.key === 'Enter' && (event.ctrlKey || event.metaKey))
              event.currentTarget.form?.requestSubmit()
          }}
        />
      </label>
      {transport.ttl && (
        <label class="field">
          <span>Time to live in seconds (without: for ever)</span>
          <input
            inputMode="decimal"
            value={seconds}
            autocomplete="off"
            onInput={(event) => {
              touched()
              setSeconds(event.currentTarget.value)
            }}
          />
        </label>
      )}
      {transport.applied && (
        <label class="check">
          <input
            type="checkbox"
            checked={applied}
            onChange={(event) => setApplied(event.currentTarget.checked)}
          />
          Wait until the receivers have said done
        </label>
      )}
      {!transport.conditions && (
        <p class="muted">
          This store cannot compare versions by itself: the agent looks before it writes, and
          another program may write in between.
        </p>
      )}
      {problem !== '' && (
        <p class="problem-line" role="alert">
          {problem}
        </p>
      )}
      {conflict !== undefined && (
        <div class="conflict" role="alert" tabIndex={-1} ref={alert}>
          <ConflictText conflict={conflict} created={pair === undefined} />
          <div class="button-row">
            {conflict.current === null ? (
              <button type="button" class="danger" onClick={overwrite}>
                Make it again with my value
              </button>
            ) : pair === undefined ? (
              <button type="button" onClick={() => onOpen(key)}>
                Open the key that is there
              </button>
            ) : (
              <>
                <button type="button" onClick={() => onOpen(key)}>
                  Take theirs, discard mine
                </button>
                <button type="button" class="danger" onClick={overwrite}>
                  Overwrite theirs with mine
                </button>
              </>
            )}
          </div>
        </div>
      )}
      <div class="button-row">
        {conflict === undefined && (
          <button type="submit" class="primary" aria-disabled={saving}>
            {saving ? 'Saving…' : 'Save'}
          </button>
        )}
        <button type="button" onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  )
}

function ConflictText({ conflict, created }: { conflict: Conflict; created: boolean }): VNode {
  const { current } = conflict
  if (current === null) {
    return (
      <p>
        <b>Not saved: the key was deleted meanwhile.</b> Your value is kept here.
      </p>
    )
  }
  return (
    <>
      <p>
        <b>
          {created
            ? 'Not saved: there is such a key already.'
            : 'Not saved: somebody else has changed it meanwhile.'}
        </b>{' '}
        Your value is kept here. This is there now ({encodingLabel(current.value)}):
      </p>
      <Value value={current.value} />
    </>
  )
}

/** What is in the fields. */
interface EditedValue extends FieldText {
  readonly encoding: ValueEncoding
}

function editable(pair: PairView | undefined): EditedValue {
  if (pair === undefined) return { encoding: 'text', text: '', lineEnd: '\n' }
  const { encoding, text } = pair.value
  if (encoding === 'hex') return { encoding, text: hexLines(text), lineEnd: '\n' }
  const field = fieldTextOf(text)
  return field === undefined
    ? { encoding: 'hex', text: hexLines(hexOf(utf8(text))), lineEnd: '\n' }
    : { encoding, ...field }
}

/** The same bytes in another form, where that needs no model; else as it is. Undefined: a field would change them. */
function converted(value: EditedValue, to: ValueEncoding): EditedValue | undefined {
  const { encoding: from, text } = value
  const same = { ...value, encoding: to }
  if (from === to || from === 'json' || to === 'json') return same
  try {
    const hex =
      from === 'hex'
        ? text.replace(/\s+/gu, '')
        : hexOf(from === 'text' ? utf8(textOfField(value)) : binary(text))
    if (!/^(?:[\da-f]{2})*$/iu.test(hex)) return same
    if (to === 'hex') return { encoding: to, text: hexLines(hex), lineEnd: '\n' }
    if (to === 'base64') return { encoding: to, text: base64OfHex(hex), lineEnd: '\n' }
    const bytes = Uint8Array.from(hex.match(/../gu) ?? [], (pair) => Number.parseInt(pair, 16))
    const field = fieldTextOf(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    )
    return field && { encoding: to, ...field }
  } catch {
    // It is not what it was said to be; the server will say so, too.
    return same
  }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function binary(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
