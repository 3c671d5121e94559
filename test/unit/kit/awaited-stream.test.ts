import { expect, it } from '@jest/globals'
import type { Batch } from '../../../src/index.ts'
import { AwaitedStream } from '../../../src/kit/awaited-stream.ts'
import { PushQueue } from '../../../src/kit/push-queue.ts'

function awaited(): {
  stream: AwaitedStream
  queue: PushQueue<Batch>
  abort: () => void
  ready: () => void
  fail: (error: unknown) => void
  opened: () => number
} {
  const end = new AbortController()
  const queue = new PushQueue<Batch>(end.signal)
  let opened = 0
  let ready = (): void => {}
  let fail: (error: unknown) => void = () => {}
  const promise = new Promise<void>((resolve, reject) => {
    ready = resolve
    fail = reject
  })
  const stream = new AwaitedStream(promise, end.signal, () => {
    opened++
    return queue
  })
  return { stream, queue, abort: () => end.abort(), ready, fail, opened: () => opened }
}

it('opens once, when it is ready, and then gives what comes', async () => {
  const { stream, queue, ready, opened } = awaited()
  const first = stream.next()
  expect(stream.poll()).toBeUndefined()
  queue.push({ kind: 'listed' })
  queue.push({ kind: 'progress' })
  await Promise.resolve()
  expect(opened()).toBe(0)
  ready()
  expect(await first).toEqual({ done: false, value: { kind: 'listed' } })
  expect(stream.poll()).toEqual({ kind: 'progress' })
  expect(stream.poll()).toBeUndefined()
  expect(opened()).toBe(1)
  await stream.return()
  expect(await stream.next()).toEqual({ done: true, value: undefined })
  expect(queue.ended).toBe(true)
})

it('tells its reader why it never becomes ready', async () => {
  const { stream, fail, opened } = awaited()
  const first = stream.next()
  fail(new Error('no'))
  await expect(first).rejects.toThrow('no')
  expect(opened()).toBe(0)
})

it('ends with its signal or return without waiting', async () => {
  const aborted = awaited()
  const waiting = aborted.stream.next()
  aborted.abort()
  expect(await waiting).toEqual({ done: true, value: undefined })
  const left = awaited()
  await left.stream.return()
  left.ready()
  expect(await left.stream.next()).toEqual({ done: true, value: undefined })
  expect([aborted.opened(), left.opened()]).toEqual([0, 0])
})
