// The memory that streams take whose clients do not read. A file of its own, for nothing else to be in the figures.

import { setTimeout as sleep } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import { Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { metricIs } from '../support/metrics.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** What buffers take once all garbage is gone. */
async function bufferBytes(): Promise<number> {
  // What one collection frees may hold on to more.
  for (let round = 0; round < 5; round++) {
    gc()
    await sleep(20)
  }
  return process.memoryUsage().arrayBuffers
}

t.test('maxBufferedBytes: what waits for those who do not read does not add up', async t => {
  const hub = await startHub(t)
  const clients = Array.from({ length: 4 }, () => new Http2Client(t, hub))
  for (const client of clients) {
    await Promise.all(Array.from({ length: 10 }, () => client.listen('/feed?topic=flood')))
  }
  await metricIs(hub, 'millrace_subscribers_live', 40)
  const before = await bufferBytes()
  // Small chunks, and large ones.
  for (let number = 0; number < 600; number++) await hub.publish('flood', 'x'.repeat(50_000))
  for (let number = 0; number < 60; number++) await hub.publish('flood', 'x'.repeat(500_000))
  await metricIs(hub, 'millrace_subscribers_behind', 40)
  const grownBytes = (await bufferBytes()) - before
  // Queued, the 60 MB that all 40 streams share would be here at least once.
  t.ok(grownBytes < 20_000_000, `grown by ${grownBytes} bytes`)
})
