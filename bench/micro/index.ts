import type { Micro } from '../micro.ts'
import { micro as deliveryQueue } from './delivery-queue.ts'
import { micro as latestValues } from './latest-values.ts'
import { micro as prefixIndex } from './prefix-index.ts'
import { micro as watchState } from './watch-state.ts'

export const micros: readonly Micro[] = [prefixIndex, deliveryQueue, latestValues, watchState]
