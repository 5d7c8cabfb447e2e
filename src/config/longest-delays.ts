// How long the delays that options name may be.

// The largest that a Node timer takes; a longer one would fire at once.
export const MAX_TIMER_MS = 2_147_483_647

// Clients of the hub take a stream that was silent for 72 s for dead, so whatever keeps it alive comes more often.
export const MAX_KEEPALIVE_MS = 71_999
