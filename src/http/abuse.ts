// Reports what clients did that ended a request or a connection: each is counted, and now and then one is logged.

import type { Logger } from 'pino'

export const ABUSE_REASONS = {
  protocol: 'HTTP/2 itself was violated: rapid reset, a flood of frames, malformed heads',
  overhead: 'frames that carry nothing',
  late: 'a handshake, head or body that did not go on',
  unread: 'an answer that nobody read',
  held: 'more bodies and answers at once than a connection may have',
} as const

export type AbuseReason = keyof typeof ABUSE_REASONS

// An attack must not fill the disk.
const LOG_EVERY_MS = 1000

export class AbuseReports {
  readonly #count: (reason: AbuseReason) => void
  readonly #logger: Pick<Logger, 'warn'>
  #loggedAt = -Infinity
  #unlogged = 0

  constructor(count: (reason: AbuseReason) => void, logger: Pick<Logger, 'warn'>) {
    this.#count = count
    this.#logger = logger
  }

  add(reason: AbuseReason, address: string | undefined): void {
    this.#count(reason)
    const now = performance.now()
    if (now - this.#loggedAt < LOG_EVERY_MS) return void this.#unlogged++
    this.#logger.warn({ reason, address, unlogged: this.#unlogged }, 'a client was cut off')
    this.#loggedAt = now
    this.#unlogged = 0
  }
}
