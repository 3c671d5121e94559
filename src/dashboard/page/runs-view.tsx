import type { VNode } from 'preact'
import { useState } from 'preact/hooks'
import type { RunView } from '../protocol.ts'
import { counted, duration } from './format.ts'
import { Ago, At, Empty, Glyph } from './parts.tsx'
import { useStore } from './store.ts'
import type { Store } from './store.ts'
import { Strip, Timeline } from './timeline.tsx'
import { look } from './tone.ts'
import type { Tone } from './tone.ts'

/** Runs of RESYNCs: what was delivered to whom, in which order, and how it ended. */
export function RunsView({ store }: { store: Store }): VNode {
  const agent = useStore(store, (state) => state.agent)
  const [picked, setPicked] = useState<number | undefined>()
  const runs = agent?.runs.toReversed() ?? []
  const shown = runs.find(({ id }) => id === picked) ?? runs[0]
  if (agent === undefined || shown === undefined) {
    return (
      <Empty title="No run yet">
        A run delivers the complete state to one registration after the other, in the order of
        registration. The first comes when the agent starts; then one after each reset of a store,
        and whenever RESYNC is asked for. Those that ended before the dashboard was there are not
        known.
      </Empty>
    )
  }
  return (
    <div class="split">
      <section class="panel list-panel" aria-label="Runs">
        <ul class="run-list">
          {runs.map((run) => (
            <li key={run.id}>
              <button
                type="button"
                class="run-item"
                aria-pressed={run === shown}
                onClick={() => setPicked(run === runs[0] ? undefined : run.id)}
              >
                <span class="run-title">
                  <Glyph tone={toneOf(run)} />
                  <b>{run.reason}</b>
                  <span class="muted">
                    <At at={run.startedAt} />
                  </span>
                </span>
                <Strip run={run} />
                <span class="muted">
                  {summary(run)}, {duration(run.durationMs)}
                </span>
              </button>
            </li>
          ))}
        </ul>
      </section>
      <section class="panel" aria-labelledby="run-title">
        <header class="panel-head">
          <h2 id="run-title">
            Run {shown.id}: {shown.reason}
          </h2>
          <p class="muted">
            {summary(shown)}, {duration(shown.durationMs)},{' '}
            <Ago at={shown.startedAt} ahead={agent.ahead} />
          </p>
        </header>
        {shown.turns.length === 0 ? (
          <Empty title="A run without turns">Nothing was registered when it began.</Empty>
        ) : (
          <div class="scroll" role="group" aria-label="Turns of the run" tabIndex={0}>
            <Timeline run={shown} key={shown.id} />
          </div>
        )}
      </section>
    </div>
  )
}

function summary({ turns }: RunView): string {
  const parts = [counted(turns.length, 'turn')]
  const outcomes = new Map<string, number>()
  for (const { outcome } of turns) {
    if (outcome !== 'acked') outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
  }
  for (const [outcome, times] of outcomes) {
    parts.push(`${times} ${look.outcome(outcome as RunView['turns'][number]['outcome']).label}`)
  }
  return parts.length === 1 && turns.length > 0 ? `${parts[0]}, all acked` : parts.join(', ')
}

/** Of its worst turn. */
function toneOf({ turns }: RunView): Tone {
  const tones = new Set(turns.map(({ outcome }) => look.outcome(outcome).tone))
  for (const tone of ['bad', 'warn', 'busy'] as const) if (tones.has(tone)) return tone
  return turns.length === 0 ? 'idle' : 'good'
}
