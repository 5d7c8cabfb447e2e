// Gives an open stream a new token shortly before the old one expires. When that fails, the hub ends the stream, and it
// is opened again with what the callback gives then.

import type { Requests } from './requests.ts'

const EARLY_MS = 30_000
const MAX_TIMER_MS = 2 ** 31 - 1

/** Until the signal is aborted. */
export function keepTokenFresh(requests: Requests, feed: string, signal: AbortSignal): void {
  const leftMs = requests.expiresAt - Date.now()
  // Half of what is left, when that is little.
  const waitMs = Math.max(leftMs - EARLY_MS, leftMs / 2)
  if (leftMs < 1000 || waitMs > MAX_TIMER_MS) return
  const renew = async (): Promise<void> => {
    await renewToken(requests, feed)
    if (!signal.aborted) keepTokenFresh(requests, feed, signal)
  }
  const timer = setTimeout(() => void renew(), waitMs)
  signal.addEventListener('abort', () => clearTimeout(timer))
}

/** Whether the stream has a new token now. */
export async function renewToken(requests: Requests, feed: string): Promise<boolean> {
  try {
    await requests.send(`/feed/${feed}/token`, { method: 'POST' }, { withFreshToken: true })
    return true
  } catch {
    return false
  }
}
