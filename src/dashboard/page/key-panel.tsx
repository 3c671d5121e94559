import type { VNode } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { PairView, TransportView } from '../protocol.ts'
import { deleteKey, ProblemError, readKey, textOf } from './api.ts'
import { Confirm } from './dialog.tsx'
import { Editor } from './editor.tsx'
import { bytes, clock, count, shownKey } from './format.ts'
import { encodingLabel, Key, Value } from './parts.tsx'
import type { Store } from './store.ts'

type Loaded =
  | { readonly state: 'loading' }
  | { readonly state: 'there'; readonly pair: PairView; readonly at: number }
  | { readonly state: 'absent' }
  | { readonly state: 'failed'; readonly why: string }

/** One key: its value as people read it, and what may be done with it. */
export function KeyPanel({
  store,
  transport,
  keyName,
  boot,
  writable,
  onChanged,
  onDirty,
}: {
  store: Store
  transport: TransportView
  keyName: string
  /** Of the agent; another one has other values. */
  boot: string
  writable: boolean
  /** It was written or deleted. */
  onChanged: () => void
  onDirty: (dirty: boolean) => void
}): VNode {
  const [loaded, setLoaded] = useState<Loaded>({ state: 'loading' })
  const [editing, setEditing] = useState(false)
  const [deleting, setDeleting] = useState(false)
  const [base64, setBase64] = useState(false)
  const [problem, setProblem] = useState('')
  const heading = useRef<HTMLHeadingElement>(null)

  const load = async (): Promise<void> => {
    try {
      const pair = await readKey(transport.name, keyName)
      setLoaded(pair === undefined ? { state: 'absent' } : { state: 'there', pair, at: Date.now() })
    } catch (error) {
      setLoaded({ state: 'failed', why: textOf(error) })
    }
  }
  // Another key is another panel.
  useEffect(() => heading.current?.focus(), [])
  useEffect(() => {
    // What is being typed stays; it is saved under the version that it began with.
    if (!editing) void load()
  }, [boot])

  const done = (text: string, tone: 'good' | 'bad'): void => {
    setEditing(false)
    onDirty(false)
    store.say(text, tone)
    void load()
    onChanged()
    heading.current?.focus()
  }
  const remove = async (version: string): Promise<void> => {
    setDeleting(false)
    setProblem('')
    try {
      await deleteKey(transport.name, keyName, version)
      done(`Deleted ${shownKey(keyName)}`, 'good')
    } catch (error) {
      const problem = error instanceof ProblemError ? error.problem : undefined
      const conflict = problem?.code === 'SYNC_VERSION_CONFLICT'
      // Nobody answered, or it is not known what came of it.
      const perhaps = problem === undefined || problem.outcome === 'unknown'
      setProblem(
        conflict
          ? 'Not deleted: somebody else has changed it meanwhile. What is there now is shown; delete it again if you mean that.'
          : `${perhaps ? 'Perhaps not' : 'Not'} deleted: ${textOf(error)}`,
      )
      if (conflict || perhaps) await load()
    }
  }

  return (
    <section class="panel key-panel" aria-labelledby="key-title">
      <header class="panel-head">
        <h2 id="key-title" tabIndex={-1} ref={heading}>
          <Key text={keyName} />
        </h2>
      </header>
      {problem !== '' && (
        <p class="conflict" role="alert">
          {problem}
        </p>
      )}
      {loaded.state === 'loading' && <p class="muted note">Reading…</p>}
      {loaded.state === 'absent' && <p class="note">There is no such key any more.</p>}
      {loaded.state === 'failed' && (
        <p class="problem-line note" role="alert">
          It could not be read: {loaded.why}
        </p>
      )}
      {loaded.state === 'there' && editing && (
        <Editor
          transport={transport}
          pair={loaded.pair}
          newKey=""
          onDirty={onDirty}
          onSaved={({ text, tone }) => done(text, tone)}
          onCancel={() => {
            setEditing(false)
            onDirty(false)
            heading.current?.focus()
          }}
          onOpen={() => {
            setEditing(false)
            onDirty(false)
            void load()
          }}
        />
      )}
      {loaded.state === 'there' && !editing && (
        <>
          <dl class="facts">
            <div>
              <dt>Shown as</dt>
              <dd>{encodingLabel(loaded.pair.value, loaded.pair.model)}</dd>
            </div>
            <div>
              <dt>Size</dt>
              <dd>{bytes(loaded.pair.value.size)}</dd>
            </div>
            <div>
              <dt>Revision</dt>
              <dd>{count(loaded.pair.revision)}</dd>
            </div>
            <div>
              <dt>Version</dt>
              <dd class="mono">{loaded.pair.version}</dd>
            </div>
            <div>
              <dt>Read at</dt>
              <dd>{clock(loaded.at)}</dd>
            </div>
          </dl>
          <Value value={loaded.pair.value} base64={base64} />
          <div class="button-row">
            {writable && (
              <button
                type="button"
                class="primary"
                aria-disabled={loaded.pair.value.cut === true}
                onClick={() => {
                  if (loaded.pair.value.cut === true) return
                  store.dismiss()
                  setEditing(true)
                }}
              >
                Edit
              </button>
            )}
            <button type="button" onClick={() => void load()}>
              Read again
            </button>
            {loaded.pair.value.encoding === 'hex' && (
              <button type="button" aria-pressed={base64} onClick={() => setBase64(!base64)}>
                base64
              </button>
            )}
            {writable && (
              <button type="button" class="danger-quiet" onClick={() => setDeleting(true)}>
                Delete
              </button>
            )}
            {!writable && <span class="muted">You may read it only.</span>}
          </div>
          {deleting && (
            <Confirm
              title="Delete this key?"
              action="Delete"
              onNo={() => setDeleting(false)}
              onYes={() => void remove(loaded.pair.version)}
            >
              <p>
                <Key text={keyName} />
              </p>
              <p class="muted">Its receivers get a CHANGE. It cannot be taken back.</p>
            </Confirm>
          )}
        </>
      )}
    </section>
  )
}
