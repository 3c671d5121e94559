import type { VNode } from 'preact'
import { useState } from 'preact/hooks'
import type { RunView } from '../protocol.ts'
import { count, counted, duration } from './format.ts'
import { Badge } from './parts.tsx'
import { look } from './tone.ts'

const WIDTH = 1_000
/** So that a turn of no time can be seen. */
const LEAST = 6
const SHOWN = 200

interface Bar {
  readonly x: number
  readonly width: number
}

/** None of the turns took long enough to be measured. */
export function tooFast({ turns }: Pick<RunView, 'turns'>): boolean {
  return turns.every(({ durationMs }) => durationMs === 0)
}

/** Turns come strictly one after the other: each bar begins where the one before it ends. */
export function barsOf({ turns, durationMs }: Pick<RunView, 'turns' | 'durationMs'>): Bar[] {
  const total = Math.max(durationMs, ...turns.map((turn) => turn.durationMs), 1)
  const widths = turns.map((turn) => Math.max(LEAST, (turn.durationMs / total) * WIDTH))
  const sum = widths.reduce((before, width) => before + width, 0)
  const scale = sum > WIDTH || tooFast({ turns }) ? WIDTH / sum : 1
  let x = 0
  return widths.map((width) => {
    const bar = { x, width: width * scale }
    x += bar.width
    return bar
  })
}

/** A run in one line. */
export function Strip({ run }: { run: RunView }): VNode {
  const bars = barsOf(run)
  return (
    <svg class="strip" viewBox={`0 0 ${WIDTH} 10`} preserveAspectRatio="none" aria-hidden="true">
      {run.turns.slice(0, SHOWN).map(({ name, outcome }, i) => (
        <rect
          key={name}
          class={`bar tone-${look.outcome(outcome).tone}`}
          x={bars[i]?.x}
          width={bars[i]?.width}
          y="0"
          height="10"
        />
      ))}
    </svg>
  )
}

/** The turns of a run, one below the other: a table to read, with a picture in it. */
export function Timeline({ run }: { run: RunView }): VNode {
  const [all, setAll] = useState(false)
  const bars = barsOf(run)
  const turns = all ? run.turns : run.turns.slice(0, SHOWN)
  return (
    <>
      <table class="timeline">
        <caption class="visually-hidden">
          Turns of the run in order, each after the one before it
        </caption>
        <thead>
          <tr>
            <th scope="col" class="num">
              #
            </th>
            <th scope="col">Registration</th>
            <th scope="col" class="lane">
              <span class="axis">
                <span>0</span>
                <span class="axis-label">
                  {tooFast(run) ? 'too fast to measure: the order only' : 'time of the run'}
                </span>
                <span>{duration(run.durationMs)}</span>
              </span>
            </th>
            <th scope="col">Outcome</th>
            <th scope="col" class="num">
              Pairs
            </th>
            <th scope="col" class="num">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {turns.map(({ name, outcome, pairs, durationMs, error }, i) => (
            <tr key={name}>
              <td class="num">{i + 1}</td>
              <th scope="row">
                <bdi>{name}</bdi>
                {error !== undefined && <p class="problem-line">{error}</p>}
              </th>
              <td class="lane">
                <svg
                  class="lane-picture"
                  viewBox={`0 0 ${WIDTH} 16`}
                  preserveAspectRatio="none"
                  aria-hidden="true"
                >
                  <rect
                    class={`bar tone-${look.outcome(outcome).tone}`}
                    x={bars[i]?.x}
                    width={bars[i]?.width}
                    y="2"
                    height="12"
                    rx="2"
                  />
                </svg>
              </td>
              <td>
                <Badge look={look.outcome(outcome)} />
              </td>
              <td class="num">{count(pairs)}</td>
              <td class="num">{duration(durationMs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {turns.length < run.turns.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          Show {counted(run.turns.length - turns.length, 'more turn')}
        </button>
      )}
    </>
  )
}
