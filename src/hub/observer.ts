// What the hub tells whoever measures it. The hub knows no metrics library; src/metrics implements this.

import type { CloseReason } from './close-reason.ts'

export interface HubObserver {
  /**
   * Events were appended by this hub's publishers: `added` new ones, `repeated` that the log had already. The log took
   * this long.
   */
  published(added: number, repeated: number, milliseconds: number): void
  /** The log refused an append, or failed. */
  appendFailed(error: unknown): void
  /** One chunk of `events` events was written to each of `subscribers` streams. */
  delivered(events: number, subscribers: number): void
  /** A flush, from its first write to its last, took this long. */
  flushed(milliseconds: number): void
  subscribed(): void
  unsubscribed(reason: CloseReason, wasLive: boolean): void
  /** A live subscriber's backlog was full: it goes on from the log. */
  fellBehind(): void
  /** A subscriber follows other topics from here on, and catches up for a moment. */
  changed(wasLive: boolean): void
  /** A subscriber reached the head and joined its audience. */
  wentLive(): void
  /** A page was read from the log for a subscriber that catches up. */
  pageRead(): void
  /** A subscriber that catches up got a page that was in memory. */
  pageShared(): void
  /** A subscriber was told that events are gone. */
  gapAnnounced(): void
  /** The log failed to read for a subscriber, which is closed for it. */
  readFailed(error: unknown): void
}

export const SILENT_OBSERVER: HubObserver = {
  published() {},
  appendFailed() {},
  delivered() {},
  flushed() {},
  subscribed() {},
  unsubscribed() {},
  fellBehind() {},
  changed() {},
  wentLive() {},
  pageRead() {},
  pageShared() {},
  gapAnnounced() {},
  readFailed() {},
}
