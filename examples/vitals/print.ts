// Prints this machine's vitals as a line of JSON, now and then once a second.
// With a number as argument it stops after so many lines.

import { setTimeout as sleep } from 'node:timers/promises'
import { measureVitals } from './measure.ts'

const most = Number(process.argv[2] ?? Infinity)

for (let line = 0; line < most; line++) {
  if (line > 0) await sleep(1000)
  process.stdout.write(`${JSON.stringify(measureVitals())}\n`)
}
