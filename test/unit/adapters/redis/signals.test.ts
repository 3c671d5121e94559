import { describe, expect, it } from '@jest/globals'
import { AbortFan } from '../../../../src/adapters/redis/abort-fan.ts'
import { abortable, onAbort } from '../../../../src/adapters/redis/abortable.ts'
import { pause } from '../../../../src/adapters/redis/pause.ts'
import { Wakeup } from '../../../../src/adapters/redis/wakeup.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

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

describe('AbortFan', () => {
  it('hangs many calls on one listener', () => {
    const source = new AbortController()
    const count = counted(source.signal)
    const fan = new AbortFan()
    const calls = Array.from({ length: 500 }, () => fan.derive(source.signal))
    expect(count.listeners).toBe(1)
    const short = fan.derive(new AbortController().signal)
    short.release()
    short.release()
    calls[0]?.release()
    calls[1]?.abort('mine')
    source.abort('all')
    expect(calls[0]?.signal.aborted).toBe(false)
    expect(calls[1]?.signal.reason).toBe('mine')
    expect(calls[499]?.signal.reason).toBe('all')
    expect(fan.derive(source.signal).signal.reason).toBe('all')
  })

  it('leaves no listener when the calls are over', () => {
    const source = new AbortController()
    const count = counted(source.signal)
    const fan = new AbortFan()
    const [a, b] = [fan.derive(source.signal), fan.derive(source.signal)]
    a.release()
    expect(count.listeners).toBe(1)
    b.release()
    expect(count.listeners).toBe(0)
    const c = fan.derive(source.signal)
    source.abort()
    expect(c.signal.aborted).toBe(true)
    expect(a.signal.aborted).toBe(false)
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
