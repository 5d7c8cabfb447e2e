// Mercure's event streams, of both drafts.

import type { StreamKind } from '../../http/stream-kind.ts'
import { framesOf } from '../../hub/frames.ts'
import { GAP } from '../../protocol/control-events.ts'
import { encodeSse } from '../../protocol/sse.ts'
import type { HubIds } from './ids.ts'
import type { Grant } from '../../auth/grant.ts'
import { maySubscribe, rightsOfGrant, type RightsOptions } from './rights.ts'
import type { MercureSelector } from './selection.ts'
import { updateOf } from './update.ts'
import type { StoredEvent } from '../../event.ts'

type Observers = Pick<StreamKind, 'opened' | 'closed'>

export function mercureStreams(
  ids: HubIds,
  options: RightsOptions,
  anonymous: Grant,
  observers: Observers,
): StreamKind {
  const frame = (event: StoredEvent): string => {
    const { type, data, retryMs } = updateOf(event)
    return encodeSse({ id: ids.of(event), type: type === '' ? undefined : type, data, retryMs })
  }
  return {
    encoder: {
      name: 'mercure',
      events: events => framesOf(events, frame),
      states: events => framesOf(events, frame),
      // The drafts tell of a hole only in the head of a response. This is for one that opens later, under a stream that is
      // slower than its history passes. Without an id, as the updates before it have theirs.
      gap: ({ reason }) => Buffer.from(encodeSse({ type: GAP, data: JSON.stringify({ reason }) })),
      ready: () => Buffer.alloc(0),
    },
    opening: () => ':\n',
    // Not an event, which the drafts have none for, and no blank line behind it: some clients make an event of that.
    goodbye: (_reason, retryMs) => (retryMs === undefined ? '' : `retry: ${retryMs}\n`),
    covers(grant, selector) {
      const own = selector as MercureSelector
      const rights = rightsOfGrant(grant, own.url, options)
      return maySubscribe(rights, grant, anonymous) && own.isReadableBy(rights.subscribe)
    },
    ...observers,
  }
}
