import type { TargetedEvent, VNode } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { token } from './api.ts'
import { EventsView } from './events-view.tsx'
import { clock } from './format.ts'
import { KeysView } from './keys-view.tsx'
import { Overview } from './overview.tsx'
import { Badge, Glyph, useNow } from './parts.tsx'
import { useRoute } from './route.ts'
import type { View } from './address.ts'
import { RunsView } from './runs-view.tsx'
import { useStore } from './store.ts'
import type { LinkState, Store } from './store.ts'
import { THEMES, useTheme } from './theme.ts'
import type { Theme } from './theme.ts'
import { look } from './tone.ts'

const TITLES: Readonly<Record<View, string>> = {
  overview: 'Overview',
  runs: 'RESYNC runs',
  events: 'Events',
  keys: 'Keys',
}

/** The page. */
export function App({ store }: { store: Store }): VNode {
  const link = useStore(store, (state) => state.link)
  const agent = useStore(store, (state) => state.agent)
  const outdated = useStore(store, (state) => state.outdated)
  const announcement = useStore(store, (state) => state.announcement)
  const toast = useStore(store, (state) => state.toast)
  const route = useRoute()
  const main = useRef<HTMLElement>(null)
  const title = agent?.title ?? 'datasync'

  const view = useRef(route.view)
  useEffect(() => {
    document.title = `${TITLES[route.view]} · ${title}`
    // Who came by keyboard goes on in what they asked for.
    if (view.current !== route.view) {
      main.current?.focus()
      // From its beginning: it has nothing to do with how far the one before was scrolled.
      scrollTo(0, 0)
      store.dismiss()
    }
    view.current = route.view
  }, [route.view, title])

  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          main.current?.focus()
        }}
      >
        Skip to the content
      </a>
      <header class="top">
        <div class="brand">
          <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="7" class="logo-ground" />
            <path d="M8 10h16M8 16h11M8 22h14" class="logo-line" />
            <circle cx="24" cy="16" r="2.4" class="logo-dot" />
          </svg>
          <h1>
            <bdi>{title}</bdi>
          </h1>
          {agent !== undefined && (
            <Badge look={look.health(agent.status)} was={link.state !== 'live'} />
          )}
        </div>
        <div class="top-right">
          <LinkBadge link={link} />
          <ThemePicker />
          {token.get() !== undefined && agent !== undefined && (
            <button type="button" class="quiet" onClick={() => store.signOut()}>
              Sign out {agent.client.name}
            </button>
          )}
        </div>
        <nav class="tabs" aria-label="Views">
          {(Object.keys(TITLES) as View[]).map((name) => (
            <a key={name} href={`#${name}`} aria-current={route.view === name ? 'page' : undefined}>
              {TITLES[name]}
            </a>
          ))}
        </nav>
      </header>
      {link.state === 'lost' && (
        <LostBanner link={link} store={store} known={agent !== undefined} />
      )}
      {outdated && (
        <aside class="banner tone-busy" aria-label="Version of the page">
          <Glyph tone="busy" />
          <p>The agent serves a newer page than this one.</p>
          <button type="button" onClick={() => location.reload()}>
            Load it
          </button>
        </aside>
      )}
      <main
        id="main"
        tabIndex={-1}
        ref={main}
        aria-label={TITLES[route.view]}
        class={link.state === 'lost' ? 'was' : undefined}
      >
        {link.state === 'denied' ? (
          <SignIn store={store} link={link} />
        ) : agent === undefined ? (
          <p class="muted note">
            {link.state === 'connecting' ? 'Connecting…' : 'Nothing is known yet.'}
          </p>
        ) : (
          <>
            {route.view === 'overview' && <Overview store={store} />}
            {route.view === 'runs' && <RunsView store={store} />}
            {route.view === 'events' && <EventsView store={store} />}
            {route.view === 'keys' && <KeysView store={store} route={route} />}
          </>
        )}
      </main>
      {toast !== undefined && (
        <div class={`toast tone-${toast.tone}`}>
          <Glyph tone={toast.tone} />
          <p>{toast.text}</p>
          <button type="button" class="quiet" aria-label="Dismiss" onClick={() => store.dismiss()}>
            ✕
          </button>
        </div>
      )}
      <div class="visually-hidden" role="status" aria-live="polite">
        {announcement}
      </div>
    </>
  )
}

function LinkBadge({ link }: { link: LinkState }): VNode {
  const shown = {
    connecting: { tone: 'busy', label: 'connecting' },
    live: { tone: 'good', label: 'connected' },
    lost: { tone: 'bad', label: 'connection lost' },
    denied: { tone: 'idle', label: 'not signed in' },
  } as const
  return <Badge look={shown[link.state]} />
}

function LostBanner({
  link,
  store,
  known,
}: {
  link: Extract<LinkState, { state: 'lost' }>
  store: Store
  known: boolean
}): VNode {
  const now = useNow()
  const seconds = Math.max(0, Math.ceil((link.retryAt - now) / 1_000))
  return (
    <aside class="banner tone-bad" aria-label="Connection">
      <Glyph tone="bad" />
      <p>
        <b>No connection to the agent</b> ({link.why}).{' '}
        {known && `What is shown is as of ${clock(link.since)} and may be wrong by now. `}
        {seconds === 0 ? 'Trying again…' : `Next attempt in ${seconds} s.`}
      </p>
      <button type="button" onClick={() => store.retry()}>
        Try now
      </button>
    </aside>
  )
}

function ThemePicker(): VNode {
  const [theme, setTheme] = useTheme()
  return (
    <label class="theme">
      <span class="visually-hidden">Theme</span>
      <select value={theme} onChange={(event) => setTheme(event.currentTarget.value as Theme)}>
        {THEMES.map((name) => (
          <option key={name} value={name}>
            {name === 'system' ? 'system theme' : name}
          </option>
        ))}
      </select>
    </label>
  )
}

function SignIn({
  store,
  link,
}: {
  store: Store
  link: Extract<LinkState, { state: 'denied' }>
}): VNode {
  const [value, setValue] = useState('')
  const submit = (event: TargetedEvent<HTMLFormElement>): void => {
    event.preventDefault()
    if (value.trim() !== '') store.signIn(value.trim())
  }
  if (link.status === 403) {
    return (
      <section class="panel sign-in">
        <h2>Not for you to see</h2>
        <p>{link.why}</p>
        <button type="button" onClick={() => store.signOut()}>
          Sign in as somebody else
        </button>
      </section>
    )
  }
  return (
    <section class="panel sign-in" aria-labelledby="sign-in">
      <h2 id="sign-in">Sign in</h2>
      <p class="muted">
        This agent wants to know who looks. The token stays in this tab and is forgotten with it.
      </p>
      <form onSubmit={submit}>
        <label class="field wide">
          <span>Token</span>
          <input
            type="password"
            autocomplete="off"
            value={value}
            onInput={(event) => setValue(event.currentTarget.value)}
          />
        </label>
        {token.get() !== undefined && (
          <p class="problem-line" role="alert">
            {link.why}
          </p>
        )}
        <div class="button-row">
          <button type="submit" class="primary">
            Sign in
          </button>
        </div>
      </form>
    </section>
  )
}
