import type { Scenario } from '../scenario.ts'
import { scenario as dispatch } from './dispatch.ts'

/** In the order of docs/performance.md. */
export const scenarios: readonly Scenario[] = [dispatch]
