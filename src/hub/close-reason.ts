// Why a stream ended: one table for what clients are told, what is logged and what is counted.

export const CLOSE_REASONS = {
  client: 'the client went away',
  drain: 'the hub is shutting down',
  stalled: 'the client read nothing for stallTimeoutMs',
  vanished: 'the peer answered no PING within pingTimeoutMs',
  done: 'a long poll was answered',
  expired: 'its token expired',
  revoked: 'its token is no longer good for it',
  closed: 'closed by an operator',
  error: 'the log could not be read',
} as const

export type CloseReason = keyof typeof CLOSE_REASONS
