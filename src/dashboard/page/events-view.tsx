import type { VNode } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { CAPACITY, goOn, pause } from './event-log.ts'
import type { Entry, EntryKind } from './event-log.ts'
import { clockMs, count, counted } from './format.ts'
import { Badge, Empty, Key, oneLine, Scroll } from './parts.tsx'
import { useStore } from './store.ts'
import type { Store } from './store.ts'
import { look } from './tone.ts'

const KINDS: readonly EntryKind[] = ['put', 'delete', 'run', 'refusal', 'note']
/** Typing is over when nothing was typed for so long. */
const TYPING_MS = 400

/** What happens, as it happens. */
export function EventsView({ store }: { store: Store }): VNode | null {
  const agent = useStore(store, (state) => state.agent)
  const log = useStore(store, (state) => state.log)
  const [transport, setTransport] = useState(agent?.transports[0]?.name ?? '')
  const [prefix, setPrefix] = useState(
    store.state.watched?.prefix ?? agent?.client.readable[0] ?? '',
  )
  const [text, setText] = useState('')
  const [hidden, setHidden] = useState<readonly EntryKind[]>([])
  const readable = agent?.client.readable.some((own) => prefix.startsWith(own)) ?? false

  useEffect(() => {
    if (transport === '' || !readable) {
      store.watch(undefined)
      return undefined
    }
    const timer = setTimeout(() => store.watch({ transport, prefix }), TYPING_MS)
    return () => clearTimeout(timer)
  }, [store, transport, prefix, readable])
  // A watch costs the agent something: it ends when nobody looks.
  useEffect(() => () => store.watch(undefined), [store])

  if (agent === undefined) return null
  const shown = log.entries.filter(
    (entry) => !hidden.includes(entry.kind) && matches(entry, text.trim().toLowerCase()),
  )
  return (
    <section class="panel" aria-labelledby="events">
      <header class="panel-head">
        <h2 id="events">Events</h2>
        <p class="muted">
          {log.paused
            ? `paused, ${count(log.heldCount)} new`
            : `newest first, the last ${CAPACITY} at most`}
        </p>
        <div class="tools">
          <button
            type="button"
            class={log.paused ? 'primary' : ''}
            aria-pressed={log.paused}
            onClick={() => {
              store.changeLog(log.paused ? goOn : pause)
              store.announce(log.paused ? 'Events go on' : 'Events are paused')
            }}
          >
            {log.paused ? `Go on (${count(log.heldCount)} new)` : 'Pause'}
          </button>
          <button
            type="button"
            onClick={() =>
              store.changeLog((known) => ({ ...known, entries: [], held: [], heldCount: 0 }))
            }
          >
            Clear
          </button>
        </div>
      </header>
      <div class="filters">
        {agent.transports.length > 1 && (
          <label class="field">
            <span>Transport</span>
            <select value={transport} onChange={(event) => setTransport(event.currentTarget.value)}>
              {agent.transports.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        )}
        <label class="field wide">
          <span>Watch changes under the prefix</span>
          <input
            class="mono"
            value={prefix}
            spellcheck={false}
            autocomplete="off"
            placeholder="all keys"
            onInput={(event) => setPrefix(event.currentTarget.value)}
          />
        </label>
        <label class="field wide">
          <span>Show lines with</span>
          <input
            type="search"
            value={text}
            spellcheck={false}
            placeholder="part of a key, value or error"
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </label>
        <fieldset class="kinds">
          <legend>Kinds</legend>
          {KINDS.map((kind) => (
            <label class="check" key={kind}>
              <input
                type="checkbox"
                checked={!hidden.includes(kind)}
                onChange={(event) =>
                  setHidden(
                    event.currentTarget.checked
                      ? hidden.filter((other) => other !== kind)
                      : [...hidden, kind],
                  )
                }
              />
              {look.entry(kind).label}
            </label>
          ))}
        </fieldset>
      </div>
      {!readable && (
        <p class="problem-line">
          You may read only what begins with {agent.client.readable.join(', ') || 'nothing'}: no
          changes are watched.
        </p>
      )}
      {shown.length === 0 ? (
        log.entries.length === 0 ? (
          <Empty title="Nothing has happened yet">
            Changes of keys under the prefix appear here as they come, together with runs of RESYNCs
            and refusals. Changes are watched while this page is open.
          </Empty>
        ) : (
          <Empty title="Nothing matches">
            {counted(log.entries.length, 'line')} kept, none of them as the filters ask for.
          </Empty>
        )
      ) : (
        <Scroll label="Events">
          <table class="events">
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Kind</th>
                <th scope="col">Key or name</th>
                <th scope="col">What</th>
                <th scope="col" class="num">
                  Revision
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((entry) => (
                <Line key={entry.id} entry={entry} transport={transport} />
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </section>
  )
}

function Line({ entry, transport }: { entry: Entry; transport: string }): VNode {
  const { at, kind, subject, text, value, revision } = entry
  const isKey = kind === 'put' || kind === 'delete'
  return (
    <tr>
      <td class="nowrap mono">
        <time dateTime={new Date(at).toISOString()}>{clockMs(at)}</time>
      </td>
      <td>
        <Badge look={look.entry(kind)} />
      </td>
      <td class="subject">
        {isKey ? (
          <a href={`#keys/${encodeURIComponent(transport)}/${encodeURIComponent(subject)}/open`}>
            <Key text={subject} />
          </a>
        ) : (
          <bdi>{subject}</bdi>
        )}
      </td>
      <td class={value === undefined ? 'text' : 'text mono'}>
        {value === undefined ? text : oneLine(value)}
      </td>
      <td class="num">{revision === undefined ? '' : count(revision)}</td>
    </tr>
  )
}

function matches({ subject, text, value }: Entry, wanted: string): boolean {
  if (wanted === '') return true
  return (
    subject.toLowerCase().includes(wanted) ||
    text.toLowerCase().includes(wanted) ||
    value?.text.toLowerCase().includes(wanted) === true
  )
}
