// Pages of a topic's history that lead back: the newest events, or those before an id.

import type { Topic } from '../event.ts'
import { formatId } from '../protocol/ids.ts'
import { selectorOf } from '../topic-pattern.ts'
import type { RouteContext } from './context.ts'
import { historyPage, MAX_PAGE_BYTES, pageSize, readState, type HistoryPage } from './history-page.ts'
import type { Before } from './names.ts'

// Nothing stands before it.
const FIRST = 1

/** Reads the newest events before this place. */
export async function readHistoryBack(
  { hub: { log }, limits }: RouteContext,
  topic: Topic,
  before: Before,
  limit: number | undefined,
): Promise<HistoryPage> {
  const { epoch } = log
  const head = log.head()
  const isLatest = before === 'latest'
  // Of an id that the log never issued it knows nothing older; all that it has comes after, as in a forward page.
  const isUnknown = !isLatest && (before.epoch !== epoch || before.position > head)
  const end = isLatest ? head + 1 : isUnknown ? FIRST : before.position
  const maxEvents = pageSize(limit, limits)
  const { events, hasOlder } = await log.readBack(end, topic, { maxEvents, maxBytes: MAX_PAGE_BYTES })
  const selector = selectorOf([topic])
  // Of a topic whose page is empty nothing before `end` is kept: whoever goes on from any place before it misses nothing.
  const position = events.at(-1)?.position ?? Math.max(0, Math.min(await log.lostThrough(selector), end - 1))
  return historyPage({
    topic,
    epoch,
    maxEvents,
    state: isLatest ? await readState(log, selector, head) : undefined,
    events,
    position,
    gap: isUnknown ? { reason: 'unknown', resumesAfter: formatId(epoch, 0) } : undefined,
    hasNext: end <= head,
    before: hasOlder ? events[0]!.position : undefined,
  })
}
