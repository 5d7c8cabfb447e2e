// The newest event of topics that nothing was published to since the page was opened: asked for one by one, for what is seen.

import { historyBefore, type HubEvent } from './hub.ts'
import { Store } from './store.ts'

const MAX_KEPT = 2000
const MAX_AT_ONCE = 4

const found = new Map<string, HubEvent | undefined>()
const wanted: (readonly [topic: string, key: string])[] = []
let asking = 0

/** Changes when there are new ones. */
export const lastValuesFound = new Store(0)

/** `last` is the id of the topic's newest event. Undefined: not known, or not yet. */
export function lastValue(topic: string, last: string): HubEvent | undefined {
  const key = `${last} ${topic}`
  if (!found.has(key)) {
    if (found.size > MAX_KEPT) found.clear()
    found.set(key, undefined)
    wanted.push([topic, key])
    void askNext()
  }
  return found.get(key)
}

async function askNext(): Promise<void> {
  if (asking === MAX_AT_ONCE) return
  asking++
  // What was asked for last is what is seen now.
  for (let next = wanted.pop(); next !== undefined; next = wanted.pop()) {
    const [topic, key] = next
    const page = await historyBefore(topic, 'latest', 1).catch(() => undefined)
    found.set(key, page?.events[0])
    lastValuesFound.set(lastValuesFound.value + 1)
  }
  asking--
}
