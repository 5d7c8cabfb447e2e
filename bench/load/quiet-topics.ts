// The topics of a log that bench/resume.ts measures on: many that are busy, and a few that are quiet.

export const BUSY_TOPICS = 10_000

export const QUIET_EVENTS = 10
/** Of each kind so many topics have `QUIET_EVENTS` events: `one/0`, `ten/0`..`ten/9`, `hundred/0`..`hundred/99`. */
export const QUIET_TOPICS = { one: 1, ten: 10, hundred: 100 } as const

/** Which position belongs to which quiet topic. The first one belongs to none: readers resume after it. */
export function quietPlaces(events: number): Map<number, string> {
  const names = Object.entries(QUIET_TOPICS).flatMap(([kind, count]) =>
    Array.from({ length: count }, (_, at) => `${kind}/${at}`),
  )
  const places = new Map<number, string>()
  const total = names.length * QUIET_EVENTS
  for (let at = 0; at < total; at++) {
    places.set(2 + Math.floor((at * (events - 2)) / total), names[at % names.length]!)
  }
  return places
}
