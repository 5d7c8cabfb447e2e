// What the publisher process sends. A lane sends one request at a time, of one kind; each of its events has a number.

/** - `post`, `state`: one event. `keyed`, `keyed-lines`: repeated under the same Idempotency-Key until it is answered. */
export type LaneKind = 'post' | 'keyed' | 'lines' | 'keyed-lines' | 'state'

export interface LaneEvent {
  readonly lane: number
  readonly seq: number
  readonly topic: string
  readonly data: LaneData
}

export interface LaneData {
  readonly lane: number
  readonly seq: number
  readonly text: string
}

export const LANES: readonly LaneKind[] = [
  'post',
  'post',
  'keyed',
  'keyed',
  'lines',
  'keyed-lines',
  'state',
  'state',
]

export const LINES_PER_REQUEST = 20

/** All that is published is at one of these. */
export const ALL_TOPICS = '**'

export function eventsPerRequest(kind: LaneKind): number {
  return kind === 'lines' || kind === 'keyed-lines' ? LINES_PER_REQUEST : 1
}

/** `padding`: how long the longest texts are, in characters. */
export function laneEvent(lane: number, seq: number, padding: number): LaneEvent {
  const text = 'x'.repeat((seq * 7919) % (padding + 1))
  return { lane, seq, topic: topicOf(lane, seq), data: { lane, seq, text } }
}

function topicOf(lane: number, seq: number): string {
  const kind = LANES[lane]!
  if (kind === 'state') return `states/${lane}/${seq % 3}`
  if (kind === 'lines') return seq % 3 === 0 ? 'logs/app/a' : 'logs/b'
  return kind === 'keyed-lines' ? 'logs/app/keyed' : `orders/${lane}`
}
