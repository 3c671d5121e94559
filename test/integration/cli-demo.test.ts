import { existsSync, readdirSync } from 'node:fs'
import { describe, expect, it } from '@jest/globals'
import { runCli, startCli } from '../support/cli.ts'
import { tempDir } from '../support/temp-dir.ts'
import { waitFor } from '../support/wait-for.ts'

describe('datasync demo', () => {
  it('tells the whole story and ends by itself', async () => {
    const folder = await tempDir('demo')
    const { code, stdout, stderr } = await runCli(['demo'], { TMPDIR: folder })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const acts = [
      /RESYNC \(startup\): 2 items/u,
      /interfaces 2 acked, routes 1 acked, access-lists 2 acked/u,
      /CHANGE put eth0 {2}mtu 9000, 10\.0\.0\.1\/24 {2}was mtu 1500/u,
      /CHANGE delete guests/u,
      /refuses eth1: mtu 42 is below 68/u,
      /refused by interfaces/u,
      /RESYNC \(refused\): 2 items/u,
      /kept as it was/u,
      /CHANGE put eth1 {2}mtu 1400/u,
      /closed: the store is free/u,
      /interfaces 2 acked, routes 2 acked, access-lists 1 acked/u,
    ]
    const places = acts.map((act) => stdout.search(act))
    expect(places).not.toContain(-1)
    expect(places).toEqual([...places].sort((a, b) => a - b))
    expect(readdirSync(folder)).toEqual([])
  })

  it.each(['1.', '3.', '4.', '5.'])('cleans up when it is ended in chapter %s', async (number) => {
    const folder = await tempDir('demo')
    const demo = startCli(['demo', '--json'], { TMPDIR: folder })
    await demo.record(({ chapter }) => typeof chapter === 'string' && chapter.startsWith(number))
    const { code } = (await demo.kill('SIGINT')) ?? {}
    // The last chapters are short: it may have come to its end.
    expect([0, 130]).toContain(code)
    expect(demo.stderr).toBe('')
    expect(readdirSync(folder)).toEqual([])
  })

  it('goes on with --keep, beside readers, and cleans up after Ctrl-C', async () => {
    const folder = await tempDir('demo')
    const demo = startCli(['demo', '--keep', '--json'], { TMPDIR: folder })
    await demo.record(({ chapter }) => chapter === 'It goes on')
    const changed = ({ text }: Readonly<Record<string, unknown>>): boolean =>
      typeof text === 'string' && text.includes('CHANGE put lo')
    await demo.record(changed)
    const told = demo.records.findLast(({ text }) => String(text).includes('dashboard at'))
    const page = /http:\S+\/dashboard\//u.exec(String(told?.['text']))?.[0]
    // It was there before the agent started: there is something to see.
    expect(await (await fetch(`${page}api/state`)).json()).toMatchObject({
      runs: [{ reason: 'startup', turns: [{ name: 'interfaces' }, {}, {}] }],
    })
    const [store] = readdirSync(folder)
    const url = `lmdb:${folder}/${store}/store`
    const { records } = await runCli(['ls', url, '/config/interfaces/'])
    expect(records).toContainEqual({ key: '/config/interfaces/lo' })
    expect(await demo.kill('SIGINT')).toMatchObject({ code: 0, stderr: '' })
    await waitFor(() => !existsSync(`${folder}/${store}`))
  })
})
