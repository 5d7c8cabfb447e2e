// What a browser, a worker or Node may have or lack. Nothing here is taken for granted: all of it is looked for when used.

import type { KeyValueStore } from './options.ts'

interface EventSource {
  addEventListener?(type: string, listener: () => void, options: { readonly signal: AbortSignal }): void
}

/** Web Locks, as far as they are used. */
export interface Locks {
  request(
    name: string,
    options: { readonly signal: AbortSignal },
    hold: () => Promise<void>,
  ): Promise<unknown>
}

interface Platform extends EventSource {
  readonly document?: EventSource & { readonly visibilityState: string }
  readonly navigator?: { readonly onLine?: boolean; readonly locks?: Locks }
  readonly BroadcastChannel?: unknown
  readonly sessionStorage?: KeyValueStore
  reportError?(error: unknown): void
}

const platform = globalThis as unknown as Platform

/** Says that an error happened which nobody takes: as an uncaught one where there is such a place, else on the console. */
export function report(error: unknown): void {
  if (platform.reportError !== undefined) platform.reportError(error)
  // oxlint-disable-next-line no-console -- Node has no other place that does not end the process
  else console.error(error)
}

export function isOffline(): boolean {
  return platform.navigator?.onLine === false
}

/**
 * Calls back, until the signal is aborted, when waiting may have become pointless: the network is there again, or somebody
 * looks at the page.
 */
export function onWake(wake: () => void, signal: AbortSignal): void {
  const { document } = platform
  const look = (): void => {
    if (document?.visibilityState === 'visible') wake()
  }
  platform.addEventListener?.('online', wake, { signal })
  document?.addEventListener?.('visibilitychange', look, { signal })
}

/** Undefined where there is none, or where the page may not use it. */
export function sessionStore(): KeyValueStore | undefined {
  try {
    return platform.sessionStorage
  } catch {
    return undefined
  }
}

/** 128 random bits. `crypto.randomUUID` is missing on pages that were not loaded over TLS. */
export function randomId(): string {
  return crypto.getRandomValues(new Uint32Array(4)).join('-')
}

/** Undefined where tabs cannot find each other: without TLS, or in an old browser. */
export function locks(): Locks | undefined {
  return platform.BroadcastChannel === undefined ? undefined : platform.navigator?.locks
}
