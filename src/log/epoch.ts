// The name of one life of a log: it sorts by start time, and two random digits keep twins apart.

const TIME_WIDTH = 9 // base36 milliseconds: enough until the year 5188
const SALT_WIDTH = 2

export function newEpoch(now: number): string {
  const salt = Math.floor(Math.random() * 36 ** SALT_WIDTH)
  return now.toString(36).padStart(TIME_WIDTH, '0') + salt.toString(36).padStart(SALT_WIDTH, '0')
}

/** The same for a log that has lived before: later lives sort after earlier ones, whatever the clock says. */
export function epochAfter(epoch: string, now: number): string {
  const before = Number.parseInt(epoch.slice(0, TIME_WIDTH), 36)
  return newEpoch(Math.max(now, before + 1))
}
