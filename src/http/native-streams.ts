// Millrace's own event streams: of one topic, with its data as it was published, and of many, in envelopes.

import type { Position } from '../event.ts'
import { framesOf, type FrameEncoder, type Gap } from '../hub/frames.ts'
import {
  BYE,
  GAP,
  OPEN,
  READY,
  TOPICS,
  type ByeData,
  type GapData,
  type OpenData,
  type TopicsData,
} from '../protocol/control-events.ts'
import { formatId } from '../protocol/ids.ts'
import {
  addedStateFrame,
  earlierFrame,
  encodeSse,
  feedFrame,
  stateFrame,
  topicFrame,
} from '../protocol/sse.ts'
import type { StreamKind } from './stream-kind.ts'

export type NativeFormat = 'topic' | 'feed'

export interface NativeStreamOptions {
  /** The `retry:` that clients are given, in milliseconds. */
  readonly retryMs: number
}

export function nativeStreams(
  epoch: string,
  options: NativeStreamOptions,
): Readonly<Record<NativeFormat, StreamKind>> {
  return {
    topic: nativeStream(epoch, 'topic', options),
    feed: { ...nativeStream(epoch, 'feed', options), changes: feedChanges(epoch) },
  }
}

function nativeStream(epoch: string, format: NativeFormat, { retryMs }: NativeStreamOptions): StreamKind {
  return {
    encoder: nativeEncoder(epoch, format),
    // Not every stream has its id from the beginning. After an unknown id the gap that follows brings it, and after the
    // states `millrace:ready`: a client that is cut off before must come back with what it had. Whoever asked for the
    // earliest does so again until it has an event.
    opening(feed, { topics, patterns }, start) {
      const data: OpenData = { feed, topics: [...topics, ...patterns] }
      const hasId = start.kind === 'resume' || (start.kind === 'now' && !start.hasStates)
      const id = hasId ? formatId(epoch, start.position) : undefined
      return encodeSse({ id, type: OPEN, data: JSON.stringify(data), retryMs })
    },
    goodbye(reason, comeBackMs) {
      const data: ByeData = { reason }
      return encodeSse({ type: BYE, data: JSON.stringify(data), retryMs: comeBackMs })
    },
    covers: (grant, selector) => grant.canReceiveAll(selector),
  }
}

function nativeEncoder(epoch: string, format: NativeFormat): FrameEncoder {
  const frame = format === 'topic' ? topicFrame : feedFrame
  return {
    name: format,
    events: events => framesOf(events, event => frame(event, epoch)),
    states: events => framesOf(events, event => stateFrame(event, format)),
    gap: gap => Buffer.from(encodeSse({ id: formatId(epoch, gap.resumesAfter), ...gapEvent(gap, epoch) })),
    ready: (position: Position) =>
      Buffer.from(encodeSse({ id: formatId(epoch, position), type: READY, data: '{}' })),
  }
}

function gapEvent(gap: Gap, epoch: string, topics?: readonly string[]): { type: string; data: string } {
  const data: GapData = {
    reason: gap.reason,
    resumesAfter: formatId(epoch, gap.resumesAfter),
    ...(gap.lostThrough > 0 && { lostThrough: formatId(epoch, gap.lostThrough) }),
    ...(topics !== undefined && { topics }),
  }
  return { type: GAP, data: JSON.stringify(data) }
}

function feedChanges(epoch: string): NonNullable<StreamKind['changes']> {
  return {
    encoder: added => ({
      ...nativeEncoder(epoch, 'feed'),
      name: 'feed, earlier',
      events: events => framesOf(events, event => earlierFrame(event, epoch)),
      states: events => framesOf(events, addedStateFrame),
      gap: gap => Buffer.from(encodeSse(gapEvent(gap, epoch, added))),
    }),
    last(position, change) {
      const data: TopicsData = change
      return encodeSse({ id: formatId(epoch, position), type: TOPICS, data: JSON.stringify(data) })
    },
  }
}
