import { describe, expect, it } from '@jest/globals'
import { abortable, onAbort } from '../../../src/kit/abortable.ts'
import { Call, Calls } from '../../../src/kit/call.ts'
import { pause } from '../../../src/kit/pause.ts'
import { Wakeup } from '../../../src/kit/wakeup.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

function counted(signal: AbortSignal): { readonly listeners: number } {
  let listeners = 0
  const add = signal.addEventListener.bind(signal)
  const remove = signal.removeEventListener.bind(signal)
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners++
    add(...args)
  }
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners--
    remove(...args)
  }
  return {
    get listeners() {
      return listeners
    },
  }
}

describe('Calls', () => {
  it('hang on one listener, however many they are', () => {
    const source = new AbortController()
    const count = counted(source.signal)
    const calls = new Calls()
    const [first, second, ...others] = Array.from({ length: 500 }, () => calls.begin(source.signal))
    if (first === undefined || second === undefined) throw new Error('no calls')
    expect(count.listeners).toBe(1)
    calls.release(first, source.signal)
    second.abort('mine')
    source.abort('all')
    expect(first.signal.aborted).toBe(false)
    expect(second.signal.reason).toBe('mine')
    expect(others.every(({ signal }) => signal.reason === 'all')).toBe(true)
    expect(calls.begin(source.signal).signal.reason).toBe('all')
  })

  it('leave no listener when they are over', () => {
    const source = new AbortController()
    const count = counted(source.signal)
    const calls = new Calls()
    const [a, b] = [calls.begin(source.signal), calls.begin(source.signal)]
    calls.release(a, source.signal)
    expect(count.listeners).toBe(1)
    calls.release(b, source.signal)
    calls.release(b, source.signal)
    expect(count.listeners).toBe(0)
    const c = calls.begin(source.signal)
    source.abort()
    expect(c.signal.aborted).toBe(true)
    expect(a.signal.aborted).toBe(false)
  })

  it('race a promise with their early end', async () => {
    expect(await new Call().race(Promise.resolve(1))).toBe(1)
    await expect(new Call().race(Promise.reject(new Error('no')))).rejects.toThrow('no')
    const call = new Call()
    const { signal } = call
    const waiting = call.race(new Promise(() => {}))
    call.throwIfAborted()
    call.abort(new Error('enough'))
    call.abort(new Error('too late'))
    await expect(waiting).rejects.toThrow('enough')
    expect(() => call.throwIfAborted()).toThrow('enough')
    expect(signal.reason).toEqual(new Error('enough'))
    await expect(call.race(Promise.resolve(1))).rejects.toThrow('enough')
  })
})

describe('abortable', () => {
  it('ends with the promise or the signal, and leaves no listener', async () => {
    const source = new AbortController()
    const count = counted(source.signal)
    expect(await abortable(Promise.resolve(1), source.signal)).toBe(1)
    await expect(abortable(Promise.reject(new Error('no')), source.signal)).rejects.toThrow('no')
    expect(count.listeners).toBe(0)
    const waiting = abortable(new Promise(() => {}), source.signal)
    source.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    await expect(abortable(Promise.resolve(1), source.signal)).rejects.toThrow('enough')
  })

  it('onAbort runs once, at once when it is too late', () => {
    const source = new AbortController()
    let runs = 0
    const forget = onAbort(source.signal, () => runs++)
    forget()
    onAbort(source.signal, () => runs++)
    source.abort()
    expect(runs).toBe(1)
    onAbort(source.signal, () => runs++)()
    expect(runs).toBe(2)
  })
})

describe('pause', () => {
  it('passes, or ends with the signal and leaves no timer', async () => {
    const clock = new FakeClock()
    const source = new AbortController()
    const first = pause(100, clock, source.signal)
    await clock.run(100)
    await first
    const second = pause(100, clock, source.signal)
    source.abort(new Error('enough'))
    await expect(second).rejects.toThrow('enough')
    expect(clock.pending).toBe(0)
  })
})

describe('Wakeup', () => {
  it('loses no news', async () => {
    const news = new Wakeup()
    news.notify()
    news.notify()
    await news.wait()
    let awake = false
    const waiting = news.wait().then(() => {
      awake = true
    })
    await new Promise((resolve) => setImmediate(resolve))
    expect(awake).toBe(false)
    news.notify()
    await waiting
  })
})
