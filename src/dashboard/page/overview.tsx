import type { VNode } from 'preact'
import { useState } from 'preact/hooks'
import type { RegistrationView, ResyncView } from '../protocol.ts'
import { resync, textOf } from './api.ts'
import { bytes, count, counted, duration } from './format.ts'
import { Ago, Badge, Empty, Key, Scroll } from './parts.tsx'
import { mayResync } from './rights.ts'
import { useStore } from './store.ts'
import type { AgentState, Store } from './store.ts'
import { look } from './tone.ts'

const SHOWN = 200
const REFUSALS = 8

/** Transports, plugins and registrations as they are now. */
export function Overview({ store }: { store: Store }): VNode | null {
  const agent = useStore(store, (state) => state.agent)
  const link = useStore(store, (state) => state.link)
  if (agent === undefined) return null
  const was = link.state !== 'live'
  return (
    <>
      <Figures agent={agent} />
      <Transports agent={agent} was={was} />
      <Registrations store={store} agent={agent} was={was} />
      <Refusals agent={agent} />
    </>
  )
}

function Figures({ agent }: { agent: AgentState }): VNode {
  const { registrations, runs } = agent
  const sum = (of: (registration: RegistrationView) => number): number =>
    registrations.reduce((total, registration) => total + of(registration), 0)
  const live = registrations.filter(({ state }) => state === 'live').length
  const lag = registrations.reduce((most, { lagMs }) => Math.max(most, lagMs), 0)
  const last = runs.at(-1)
  return (
    <dl class="figures">
      <div>
        <dt>Registrations live</dt>
        <dd>
          {count(live)}
          <small> of {count(registrations.length)}</small>
        </dd>
      </div>
      <div>
        <dt>Queued changes</dt>
        <dd>
          {count(sum(({ pending }) => pending))}
          {sum(({ pending }) => pending) > 0 && (
            <small> {bytes(sum(({ pendingBytes }) => pendingBytes))}</small>
          )}
        </dd>
      </div>
      <div>
        <dt>In flight</dt>
        <dd>{count(sum(({ inFlight }) => inFlight))}</dd>
      </div>
      <div>
        <dt>Longest wait</dt>
        <dd>{lag === 0 ? 'none' : duration(lag)}</dd>
      </div>
      <div>
        <dt>Refusals</dt>
        <dd>{count(sum(({ refusals }) => refusals))}</dd>
      </div>
      <div>
        <dt>Last run</dt>
        <dd>
          {last === undefined ? (
            'none seen'
          ) : (
            <>
              {last.reason}
              <small>
                {' '}
                <Ago at={last.startedAt + last.durationMs} ahead={agent.ahead} />
              </small>
            </>
          )}
        </dd>
      </div>
    </dl>
  )
}

function Transports({ agent, was }: { agent: AgentState; was: boolean }): VNode {
  return (
    <section class="panel" aria-labelledby="transports">
      <header class="panel-head">
        <h2 id="transports">Transports</h2>
      </header>
      <ul class="transports">
        {agent.transports.map(({ name, state, reconnects, lastError }) => (
          <li key={name}>
            <Badge look={look.transport(state)} was={was} />
            <b>
              <bdi>{name}</bdi>
            </b>
            <span class="muted">{counted(reconnects, 'reconnect')}</span>
            {lastError !== undefined && (
              <span class="problem-line">
                {state === 'live' ? 'Last error' : 'Error'}: {lastError}
              </span>
            )}
          </li>
        ))}
      </ul>
    </section>
  )
}

interface Group {
  readonly title: string
  readonly plugin: AgentState['plugins'][number] | undefined
  readonly rows: readonly { readonly place: number; readonly registration: RegistrationView }[]
}

function Registrations({
  store,
  agent,
  was,
}: {
  store: Store
  agent: AgentState
  was: boolean
}): VNode {
  const [filter, setFilter] = useState('')
  const [trouble, setTrouble] = useState(false)
  const [all, setAll] = useState(false)
  const { registrations, client } = agent
  const matching = registrations.flatMap((registration, index) => {
    const text = [registration.name, registration.plugin ?? '', ...registration.prefixes].join(' ')
    const matches = text.toLowerCase().includes(filter.trim().toLowerCase())
    const wanted = !trouble || registration.state !== 'live' || registration.refusals > 0
    return matches && wanted ? [{ place: index + 1, registration }] : []
  })
  const shown = all ? matching : matching.slice(0, SHOWN)
  const groups = groupsOf(agent, shown, filter === '' && !trouble)
  return (
    <section class="panel" aria-labelledby="registrations">
      <header class="panel-head">
        <h2 id="registrations">Plugins and registrations</h2>
        <p class="muted">numbered in the order in which they get RESYNCs</p>
        <div class="tools">
          <label class="field">
            <span class="visually-hidden">Filter by name or prefix</span>
            <input
              type="search"
              placeholder="Filter by name or prefix"
              value={filter}
              onInput={(event) => setFilter(event.currentTarget.value)}
            />
          </label>
          <label class="check">
            <input
              type="checkbox"
              checked={trouble}
              onChange={(event) => setTrouble(event.currentTarget.checked)}
            />
            Trouble only
          </label>
          <ResyncButton
            store={store}
            name={undefined}
            possible={!was && registrations.length > 0}
            allowed={mayResync(client, registrations)}
          />
        </div>
      </header>
      {registrations.length === 0 && agent.plugins.length === 0 ? (
        <Empty title="Nothing is registered">
          A plugin, or the program itself, watches prefixes with agent.watch(name, prefixes). Each
          registration gets a RESYNC with everything first, then every CHANGE.
        </Empty>
      ) : (
        <Scroll label="Plugins and registrations">
          <table class="registrations">
            <thead>
              <tr>
                <th scope="col" class="num">
                  #
                </th>
                <th scope="col">Registration</th>
                <th scope="col">State</th>
                <th scope="col">Prefixes</th>
                <th scope="col" class="num">
                  Queue
                </th>
                <th scope="col" class="num">
                  In flight
                </th>
                <th scope="col" class="num">
                  Waits
                </th>
                <th scope="col" class="num">
                  Refusals
                </th>
                <th scope="col">Last RESYNC</th>
                <th scope="col">
                  <span class="visually-hidden">Actions</span>
                </th>
              </tr>
            </thead>
            {groups.map(({ title, plugin, rows }) => (
              <tbody key={title}>
                <tr class="group">
                  <th colSpan={10} scope="rowgroup">
                    <span class="group-title">
                      {plugin === undefined ? (
                        title
                      ) : (
                        <>
                          <span class="muted">plugin</span> <bdi>{title}</bdi>{' '}
                          <Badge look={look.plugin(plugin.state)} was={was} />
                        </>
                      )}
                    </span>
                    {plugin?.error !== undefined && <p class="problem-line">{plugin.error}</p>}
                  </th>
                </tr>
                {rows.length === 0 && (
                  <tr>
                    <td />
                    <td colSpan={9} class="muted">
                      no registration
                    </td>
                  </tr>
                )}
                {rows.map(({ place, registration }) => (
                  <Row
                    key={registration.name}
                    store={store}
                    place={place}
                    registration={registration}
                    agent={agent}
                    was={was}
                  />
                ))}
              </tbody>
            ))}
          </table>
        </Scroll>
      )}
      {registrations.length > 0 && matching.length === 0 && (
        <p class="muted note">No registration matches the filter.</p>
      )}
      {shown.length < matching.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          Show {counted(matching.length - shown.length, 'more registration')}
        </button>
      )}
    </section>
  )
}

function Row({
  store,
  place,
  registration,
  agent,
  was,
}: {
  store: Store
  place: number
  registration: RegistrationView
  agent: AgentState
  was: boolean
}): VNode {
  const { name, transport, prefixes, restricted, state, pending, pendingBytes } = registration
  const { inFlight, lagMs, refusals, lastError, lastResync } = registration
  const inTrouble = state === 'backing-off' || state === 'resyncing'
  return (
    <tr>
      <td class="num">{place}</td>
      <th scope="row">
        <bdi>{name}</bdi>
        {agent.transports.length > 1 && (
          <span class="muted">
            {' '}
            on <bdi>{transport}</bdi>
          </span>
        )}
        {lastError !== undefined && (
          <p class={inTrouble ? 'problem-line' : 'problem-line past'}>
            {inTrouble ? 'Refused' : 'Last refusal'}: {lastError}
          </p>
        )}
      </th>
      <td>
        <Badge look={look.registration(state)} was={was} />
      </td>
      <td class="wide">
        {restricted === true ? (
          <span class="muted">not for you to see</span>
        ) : prefixes.length === 0 ? (
          <span class="muted">none, it only has its turn</span>
        ) : (
          <ul class="prefixes">
            {prefixes.slice(0, 4).map((prefix) => (
              <li key={prefix}>
                <a href={`#keys/${encodeURIComponent(transport)}/${encodeURIComponent(prefix)}`}>
                  <Key text={prefix} />
                </a>
              </li>
            ))}
            {prefixes.length > 4 && <li class="muted">and {prefixes.length - 4} more</li>}
          </ul>
        )}
      </td>
      <td class="num" data-label="Queue">
        {count(pending)}
        {pending > 0 && <span class="muted"> {bytes(pendingBytes)}</span>}
      </td>
      <td class="num" data-label="In flight">
        {inFlight}
      </td>
      <td class="num" data-label="Waits">
        {lagMs === 0 ? '–' : duration(lagMs)}
      </td>
      <td class="num" data-label="Refusals">
        {count(refusals)}
      </td>
      <td class="wide">
        {lastResync === undefined ? (
          <span class="muted">none yet</span>
        ) : (
          <Last resync={lastResync} ahead={agent.ahead} />
        )}
      </td>
      <td class="actions">
        <ResyncButton
          store={store}
          name={name}
          possible={!was}
          allowed={mayResync(agent.client, [registration])}
        />
      </td>
    </tr>
  )
}

function Last({ resync: last, ahead }: { resync: ResyncView; ahead: number }): VNode {
  return (
    <div class="last">
      <Badge look={look.outcome(last.outcome)} /> <span>({last.reason})</span>
      <span class="muted">
        {counted(last.pairs, 'pair')}
        {last.durationMs === undefined ? '' : `, ${duration(last.durationMs)}`},{' '}
        <Ago at={last.at} ahead={ahead} />
      </span>
    </div>
  )
}

function ResyncButton({
  store,
  name,
  possible,
  allowed,
}: {
  store: Store
  name: string | undefined
  possible: boolean
  allowed: boolean
}): VNode | null {
  const [running, setRunning] = useState(false)
  if (!allowed) return null
  const run = async (): Promise<void> => {
    setRunning(true)
    try {
      const answer = await resync(name === undefined ? undefined : [name])
      if (answer.run === undefined) {
        store.say('The RESYNC is still under way; its run shows when it has ended.')
      } else {
        const { turns, durationMs } = answer.run
        const failed = turns.filter(({ outcome }) => outcome !== 'acked')
        if (failed.length === 0) {
          store.say(
            `RESYNC of ${counted(turns.length, 'registration')}: all acked in ${duration(durationMs)}`,
          )
        } else {
          const list = failed.map((turn) => `${turn.name} ${look.outcome(turn.outcome).label}`)
          store.say(`RESYNC: ${list.join(', ')}`, 'bad')
        }
      }
    } catch (error) {
      store.say(`No RESYNC: ${textOf(error)}`, 'bad')
    } finally {
      setRunning(false)
    }
  }
  return (
    <button
      type="button"
      class={name === undefined ? 'primary' : 'quiet'}
      aria-disabled={!possible || running}
      aria-label={name === undefined ? undefined : `RESYNC ${name}`}
      onClick={() => {
        if (possible && !running) void run()
      }}
    >
      {running ? 'Running…' : name === undefined ? 'RESYNC all' : 'RESYNC'}
    </button>
  )
}

function Refusals({ agent }: { agent: AgentState }): VNode | null {
  const [all, setAll] = useState(false)
  const refusals = agent.refusals.toReversed()
  if (refusals.length === 0) return null
  const shown = all ? refusals : refusals.slice(0, REFUSALS)
  return (
    <section class="panel" aria-labelledby="refusals">
      <header class="panel-head">
        <h2 id="refusals">Refusals</h2>
        <p class="muted">the last {count(refusals.length)}, newest first</p>
      </header>
      <Scroll label="Refusals">
        <table>
          <thead>
            <tr>
              <th scope="col">When</th>
              <th scope="col">Registration</th>
              <th scope="col">What</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {shown.map(({ id, at, registration, kind, key, result, error }) => (
              <tr key={id}>
                <td class="nowrap">
                  <Ago at={at} ahead={agent.ahead} />
                </td>
                <th scope="row">
                  <bdi>{registration}</bdi>
                </th>
                <td>
                  {kind === 'change' ? 'CHANGE' : kind === 'resync' ? 'RESYNC' : 'reported'}
                  {result === 'timeout' && ' timed out'} {key !== undefined && <Key text={key} />}
                </td>
                <td class="problem-text">
                  {error ?? <span class="muted">not for you to see</span>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {shown.length < refusals.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          Show {counted(refusals.length - shown.length, 'more refusal')}
        </button>
      )}
    </section>
  )
}

/** Plugins in the order of `use`; what the program itself registered goes before them when it did so first. */
function groupsOf(agent: AgentState, rows: Group['rows'], withEmpty: boolean): Group[] {
  const of = (plugin: string | undefined): Group['rows'] =>
    rows.filter(({ registration }) => registration.plugin === plugin)
  const groups: Group[] = agent.plugins
    .map((plugin) => ({ title: plugin.name, plugin, rows: of(plugin.name) }))
    .filter((group) => withEmpty || group.rows.length > 0)
  const others = of(undefined)
  if (others.length === 0) return groups
  const own = { title: 'outside of plugins', plugin: undefined, rows: others }
  const isFirst = groups.every(({ rows: [row] }) => row === undefined || row.place > placeOf(own))
  return isFirst ? [own, ...groups] : [...groups, own]
}

function placeOf({ rows }: Group): number {
  return rows[0]?.place ?? 0
}
