import type { TargetedEvent, VNode } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { PageMessage, PairView } from '../protocol.ts'
import { listKeys, textOf } from './api.ts'
import { Confirm } from './dialog.tsx'
import { Editor } from './editor.tsx'
import { bytes, clock, counted } from './format.ts'
import { KeyPanel } from './key-panel.tsx'
import { Empty, Key, oneLine } from './parts.tsx'
import { mayWrite } from './rights.ts'
import type { KeysRoute } from './address.ts'
import { useStore } from './store.ts'
import type { AgentState, Store } from './store.ts'

/** Where the list is. `afters` are the last keys of the pages before. */
interface Place {
  readonly transport: string
  readonly prefix: string
  readonly afters: readonly string[]
}

type Open = { readonly kind: 'key'; readonly key: string } | { readonly kind: 'new' } | undefined

/** Looks through the keys of a store, page by page. */
export function KeysView({ store, route }: { store: Store; route: KeysRoute }): VNode | null {
  const agent = useStore(store, (state) => state.agent)
  return agent === undefined ? null : <Browser store={store} agent={agent} route={route} />
}

function Browser({
  store,
  agent,
  route,
}: {
  store: Store
  agent: AgentState
  route: KeysRoute
}): VNode {
  const { client, transports } = agent
  const start = (): Place => ({
    transport: transports.some(({ name }) => name === route.transport)
      ? (route.transport ?? '')
      : (transports[0]?.name ?? ''),
    prefix: route.prefix ?? client.readable[0] ?? '',
    afters: [],
  })
  const [place, setPlace] = useState(start)
  const [typed, setTyped] = useState(place.prefix)
  const [page, setPage] = useState<PageMessage | undefined>()
  const [problem, setProblem] = useState('')
  const [open, setOpen] = useState<Open>(
    route.key === undefined ? undefined : { kind: 'key', key: route.key },
  )
  /** What is asked for while something is not saved. */
  const [blocked, setBlocked] = useState<(() => void) | undefined>()
  const dirty = useRef(false)
  const request = useRef(0)
  const transport = transports.find(({ name }) => name === place.transport)

  const load = async (to: Place): Promise<void> => {
    const own = ++request.current
    try {
      const answer = await listKeys(to.transport, to.prefix, to.afters.at(-1))
      if (own !== request.current) return
      setPage(answer)
      setProblem('')
    } catch (error) {
      if (own !== request.current) return
      setPage(undefined)
      setProblem(textOf(error))
    }
  }
  // Another agent is there: what was read is of the one before it.
  useEffect(() => void load(place), [place, agent.boot])
  // The address bar, or a link of another view, may lead elsewhere.
  const first = useRef(true)
  useEffect(() => {
    if (first.current) {
      first.current = false
      return
    }
    unlessDirty(() => {
      const next = start()
      setPlace(next)
      setTyped(next.prefix)
      setOpen(route.key === undefined ? undefined : { kind: 'key', key: route.key })
    })
  }, [route])
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent): void => {
      if (dirty.current) event.preventDefault()
    }
    addEventListener('beforeunload', warn)
    return () => removeEventListener('beforeunload', warn)
  }, [])

  const unlessDirty = (task: () => void): void => {
    if (dirty.current) setBlocked(() => task)
    else task()
  }
  const go = (part: Partial<Place>): void => setPlace({ ...place, afters: [], ...part })
  const search = (event: TargetedEvent<HTMLFormElement>): void => {
    event.preventDefault()
    go({ prefix: typed })
  }
  const canWrite = client.writable.length > 0
  const setDirty = (value: boolean): void => {
    dirty.current = value
  }
  return (
    <>
      <section class="panel" aria-label="Where to look">
        <form class="filters" onSubmit={search}>
          {transports.length > 1 && (
            <label class="field">
              <span>Transport</span>
              <select
                value={place.transport}
                onChange={(event) => {
                  const { value } = event.currentTarget
                  unlessDirty(() => {
                    setOpen(undefined)
                    go({ transport: value })
                  })
                }}
              >
                {transports.map(({ name }) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
          )}
          <label class="field wide">
            <span>Keys that begin with</span>
            <input
              class="mono"
              value={typed}
              spellcheck={false}
              autocomplete="off"
              placeholder="all keys"
              onInput={(event) => setTyped(event.currentTarget.value)}
            />
          </label>
          <div class="button-row">
            <button type="submit">List</button>
            {canWrite && (
              <button
                type="button"
                class="primary"
                onClick={() => unlessDirty(() => setOpen({ kind: 'new' }))}
              >
                New key
              </button>
            )}
          </div>
        </form>
        <Prefixes
          agent={agent}
          place={place}
          onPick={(prefix) => {
            setTyped(prefix)
            go({ prefix })
          }}
        />
      </section>
      <div class="split keys">
        <section class="panel list-panel" aria-labelledby="keys-title">
          <header class="panel-head">
            <h2 id="keys-title">Keys</h2>
            {page !== undefined && (
              <p class="muted">
                {place.afters.length === 0 ? '' : `page ${place.afters.length + 1}, `}
                {counted(page.pairs.length, 'key')}
                {page.more ? ', and more' : ''}, read at {clock(page.at - agent.ahead)}
              </p>
            )}
            <div class="tools">
              <button type="button" onClick={() => void load(place)}>
                Refresh
              </button>
            </div>
          </header>
          {problem !== '' && (
            <p class="problem-line note" role="alert">
              {problem}
            </p>
          )}
          {page !== undefined && page.pairs.length === 0 && (
            <Empty title="No keys here">
              {place.prefix === '' ? 'The store is empty.' : 'Nothing begins with that prefix.'}{' '}
              {canWrite ? 'New key makes one.' : ''}
            </Empty>
          )}
          <ul class="key-list">
            {page?.pairs.map((pair) => (
              <li key={pair.key}>
                <KeyItem
                  pair={pair}
                  current={open?.kind === 'key' && open.key === pair.key}
                  onOpen={() => unlessDirty(() => setOpen({ kind: 'key', key: pair.key }))}
                />
              </li>
            ))}
          </ul>
          {(place.afters.length > 0 || page?.more === true) && (
            <nav class="button-row pager" aria-label="Pages of keys">
              <button
                type="button"
                aria-disabled={place.afters.length === 0}
                onClick={() => {
                  if (place.afters.length > 0)
                    setPlace({ ...place, afters: place.afters.slice(0, -1) })
                }}
              >
                Previous
              </button>
              <button
                type="button"
                aria-disabled={page?.more !== true}
                onClick={() => {
                  const last = page?.pairs.at(-1)?.key
                  if (page?.more === true && last !== undefined) {
                    setPlace({ ...place, afters: [...place.afters, last] })
                  }
                }}
              >
                Next
              </button>
            </nav>
          )}
        </section>
        {transport !== undefined && open?.kind === 'key' && (
          <KeyPanel
            key={`${place.transport} ${open.key}`}
            store={store}
            transport={transport}
            keyName={open.key}
            boot={agent.boot}
            writable={mayWrite(client, open.key)}
            onChanged={() => void load(place)}
            onDirty={setDirty}
          />
        )}
        {transport !== undefined && open?.kind === 'new' && (
          <section class="panel key-panel" aria-labelledby="new-title">
            <header class="panel-head">
              <h2 id="new-title">New key</h2>
            </header>
            <Editor
              transport={transport}
              pair={undefined}
              newKey={mayWrite(client, place.prefix) ? place.prefix : (client.writable[0] ?? '')}
              onDirty={setDirty}
              onSaved={({ key, text, tone }) => {
                store.say(text, tone)
                setOpen({ kind: 'key', key })
                void load(place)
              }}
              onCancel={() => {
                setDirty(false)
                setOpen(undefined)
              }}
              onOpen={(key) => {
                setDirty(false)
                setOpen({ kind: 'key', key })
              }}
            />
          </section>
        )}
        {open === undefined && (
          <section class="panel key-panel" aria-label="Value">
            <Empty title="No key is open">
              Pick one to see its value: as JSON where the dashboard was given the model of its
              prefix, as text where it is UTF-8, else in hex.
            </Empty>
          </section>
        )}
      </div>
      {blocked !== undefined && (
        <Confirm
          title="Discard what you have typed?"
          action="Discard"
          onNo={() => setBlocked(undefined)}
          onYes={() => {
            setDirty(false)
            setBlocked(undefined)
            blocked()
          }}
        >
          <p>The value is not saved.</p>
        </Confirm>
      )}
    </>
  )
}

function KeyItem({
  pair,
  current,
  onOpen,
}: {
  pair: PairView
  current: boolean
  onOpen: () => void
}): VNode {
  return (
    <button
      type="button"
      class="key-item"
      aria-current={current ? 'true' : undefined}
      onClick={onOpen}
    >
      <span class="key-line">
        <Key text={pair.key} />
        <span class="muted num">{bytes(pair.value.size)}</span>
      </span>
      <span class="preview mono">{oneLine(pair.value)}</span>
    </button>
  )
}

/** What registrations watch on the transport: where there is something to be seen. */
function Prefixes({
  agent,
  place,
  onPick,
}: {
  agent: AgentState
  place: Place
  onPick: (prefix: string) => void
}): VNode | null {
  const own = agent.registrations.filter(({ transport }) => transport === place.transport)
  const prefixes = [...new Set(own.flatMap((registration) => registration.prefixes))]
    .sort()
    .slice(0, 12)
  if (prefixes.length === 0) return null
  return (
    <ul class="chips" aria-label="Watched prefixes">
      {prefixes.map((prefix) => (
        <li key={prefix}>
          <button
            type="button"
            class="chip"
            aria-pressed={prefix === place.prefix}
            onClick={() => onPick(prefix)}
          >
            <Key text={prefix} />
          </button>
        </li>
      ))}
    </ul>
  )
}
