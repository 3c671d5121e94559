import { describe, expect, it } from '@jest/globals'
import { ScriptedAgent } from '../../support/scripted-agent.ts'

describe('a reset in the startup run (C10)', () => {
  for (const late of [false, true]) {
    it(`passes over who had no RESYNC yet; they come in order (list ${late ? 'later' : 'at once'})`, async () => {
      const s = new ScriptedAgent()
      const a = s.watch('A', '/a', {}, { answer: () => 'hold' })
      const b = s.watch('B', '/b')
      const started = s.begin()
      s.stream().listed()
      await s.settle()
      s.stream().reset('compacted')
      if (late) await s.settle()
      s.stream().listed()
      await s.settle()
      expect((await started).turns).toMatchObject([
        { name: 'A', outcome: 'voided' },
        { name: 'B', outcome: 'passed-over' },
      ])
      expect(a.lines()).toEqual(['resync startup', 'resync compacted'])
      expect(b.lines()).toEqual([])
      a.events[1]?.ack()
      await s.settle()
      expect(b.lines()).toEqual(['resync startup'])
      expect(s.agent.health().status).toBe('ok')
      expect(s.violations).toEqual([])
    })
  }
})
