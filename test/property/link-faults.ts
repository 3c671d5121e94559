import type { Link } from '../support/link.ts'
import type { World } from './watch-model.ts'

/** Of a world whose agent reaches its server through a link; `failList` drops it at the next list. */
export function linkFaults(link: Link, failList: () => unknown): Pick<World, 'faults' | 'heal'> {
  const heal = (): void => void link.restore().then(() => link.release())
  return {
    faults: {
      cut: () => link.drop(),
      'cut and hold': () => void link.cut(),
      hang: () => link.hold(),
      'fail list': failList,
      release: heal,
    },
    heal,
  }
}
