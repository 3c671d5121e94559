import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { redis } from '../../src/adapters/redis/index.ts'
import { Agent, composite, memory } from '../../src/index.ts'
import type { Transport } from '../../src/index.ts'
import { BareRedisMirror } from '../bare-redis-mirror.ts'
import type { BareRedisMirrorOptions } from '../bare-redis-mirror.ts'
import { redisServer } from '../redis-server.ts'
import type { Measurement, Scenario, Shared, Side } from '../scenario.ts'
import { tempFolder } from '../temp-folder.ts'
import { perSecond, VALUE_BYTES } from '../workload.ts'

type Settings = Readonly<Record<string, string>>

const KEYS = 200_000
const PREFIX = '/burst/'
/** Values begin with the round's letter, so that a receiver can tell when its fold is that of the round. */
const ROUNDS = ['a', 'b'] as const

/**
 * redis-cli sets 200 000 keys as fast as it can; the sample ends when the receiver has seen this round's value of every
 * key. Bare: {@link BareRedisMirror}.
 */
export const scenario: Scenario = {
  url: import.meta.url,
  title: 'Redis: burst of 200 k SETs on distinct keys',
  // Else every side would follow the bursts of all others.
  freshProcess: true,
  warmUps: 2,
  rows: [
    row('B6', 'keyspace notifications', 'keyspace', 'bare MGET loop, keyspace', { atLeast: 0.8 }),
    row('B6g', 'keyspace notifications', 'keyspace', 'bare GET per event, keyspace', {
      atLeast: 2,
    }),
    row('B6t', 'client-side caching', 'tracking', 'bare MGET loop, tracking', { atLeast: 0.8 }),
    row('B16r', 'composite of memory and Redis', 'composite', 'keyspace', { atLeast: 0.9 }),
  ],
  sides: {
    keyspace: (settings) => ours(settings, redis({ url: settings['url'] as string })),
    tracking: (settings) =>
      ours(settings, redis({ url: settings['url'] as string, notifications: 'tracking' })),
    composite: (settings) =>
      ours(settings, composite([memory(), redis({ url: settings['url'] as string })])),
    'bare MGET loop, keyspace': (settings) => bare(settings, { announcements: 'keyspace' }),
    'bare MGET loop, tracking': (settings) => bare(settings, { announcements: 'tracking' }),
    'bare GET per event, keyspace': (settings) =>
      bare(settings, { announcements: 'keyspace', getPerEvent: true }),
  },
  prepare,
}

function row(
  id: string,
  what: string,
  ours: string,
  beside: string,
  goal: Scenario['rows'][number]['goal'] & object,
): Scenario['rows'][number] {
  const work = `200 k SETs → folds equal, ${what}`
  return { id, work, ours, beside, metric: 'perSecond', unit: 'keys/s', goal }
}

async function prepare(): Promise<Shared> {
  const folder = await tempFolder()
  const files: Record<string, string> = {}
  for (const round of ROUNDS) {
    const path = join(folder.path, round)
    await writeCommands(path, round)
    files[round] = path
  }
  const shared = await redisServer()
  return {
    ...shared,
    settings: { ...shared.settings, ...files },
    close: async () => {
      await shared.close()
      await folder.remove()
    },
  }
}

/** SET of every key, as the protocol has it. */
async function writeCommands(path: string, round: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    const value = round.padEnd(VALUE_BYTES, '.')
    for (let start = 0; start < KEYS; start += 10_000) {
      let text = ''
      for (let i = start; i < start + 10_000; i++) {
        const key = `${PREFIX}${String(i).padStart(6, '0')}`
        text += `*3\r\n$3\r\nSET\r\n$${key.length}\r\n${key}\r\n$${value.length}\r\n${value}\r\n`
      }
      await file.write(text)
    }
  } finally {
    await file.close()
  }
}

/** Which keys have this round's value. */
class Fold {
  #letter = 0
  #letters = new Map<string, number>()
  #reached = 0
  #all: (() => void) | undefined

  put(key: string, bytes: Uint8Array): void {
    const letter = bytes[0] as number
    if (letter === this.#letter && this.#letters.get(key) !== letter) this.#reached++
    this.#letters.set(key, letter)
    if (this.#reached === KEYS) this.#all?.()
  }

  async equals(round: string): Promise<void> {
    this.#letter = round.charCodeAt(0)
    this.#reached = 0
    await new Promise<void>((resolve) => {
      this.#all = resolve
    })
  }
}

async function ours(settings: Settings, transport: Transport): Promise<Side> {
  const agent = new Agent({ transport })
  const fold = new Fold()
  agent.watch('burst', PREFIX).handle({
    resync: ({ values }) => {
      for (const [, pairs] of values) for (const { key, bytes } of pairs) fold.put(key, bytes)
    },
    change: (event) => {
      if (event.changeType === 'put') fold.put(event.key, event.bytes)
    },
  })
  await agent.start()
  return { sample: await rounds(settings, fold), close: () => agent.close() }
}

async function bare(
  settings: Settings,
  options: Omit<BareRedisMirrorOptions, 'url' | 'prefix' | 'onChange'>,
): Promise<Side> {
  const fold = new Fold()
  const mirror = new BareRedisMirror({
    ...options,
    url: settings['url'] as string,
    prefix: PREFIX,
    onChange: (key, value) => {
      if (value !== undefined) fold.put(key, value)
    },
  })
  await mirror.start()
  return { sample: await rounds(settings, fold), close: async () => mirror.close() }
}

/** Each begins with the letter that the keys do not have: the same value again is no change. */
async function rounds(settings: Settings, fold: Fold): Promise<() => Promise<Measurement>> {
  const client = new Redis(settings['url'] as string)
  const present = await client.get(`${PREFIX}000000`)
  client.disconnect()
  let round = present?.startsWith(ROUNDS[0]) === true ? 1 : 0
  return async () => {
    const letter = ROUNDS[round++ % ROUNDS.length] as (typeof ROUNDS)[number]
    const file = await open(settings[letter] as string)
    try {
      const startedAt = performance.now()
      const arrived = fold.equals(letter)
      const writer = spawn('redis-cli', ['-p', settings['port'] as string, '--pipe'], {
        stdio: [file.fd, 'ignore', 'inherit'],
      })
      await Promise.all([arrived, once(writer, 'exit')])
      return { perSecond: perSecond(KEYS, startedAt) }
    } finally {
      await file.close()
    }
  }
}
