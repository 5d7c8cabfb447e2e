// The logs that bench/resume.ts builds: their quiet topics must be as quiet, and as spread out, as it says.

import t from 'tap'
import { QUIET_EVENTS, QUIET_TOPICS, quietPlaces } from '../../bench/load/quiet-topics.ts'

t.test('each quiet topic has its events, from one end of the log to the other', async t => {
  for (const events of [10_000, 100_000]) {
    const positions = new Map<string, number[]>()
    for (const [position, topic] of quietPlaces(events)) {
      positions.set(topic, [...(positions.get(topic) ?? []), position])
    }
    t.equal(positions.size, QUIET_TOPICS.one + QUIET_TOPICS.ten + QUIET_TOPICS.hundred)
    for (const [topic, places] of positions) {
      t.equal(places.length, QUIET_EVENTS, topic)
      t.ok(places[0]! > 1 && places[0]! < events * 0.2 && places.at(-1)! > events * 0.8, topic)
      t.ok(places.at(-1)! <= events, topic)
    }
  }
})
