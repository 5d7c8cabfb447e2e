// A dashboard of this machine: several topics on one stream, with what they were in the last minutes. `npm run example vitals`.

import fastify from 'fastify'
import millrace from 'millrace'
import { listen, servePage } from '../support/serve-page.ts'
import { measureVitals } from './measure.ts'

const app = fastify()

// Ten minutes of each topic, for pages that come later. Everyone may look.
await app.register(millrace, {
  prefix: '/hub',
  log: 'memory:',
  logMaxTopicEvents: 600,
  anonymousReceive: ['vitals/*'],
})

async function publishVitals(): Promise<void> {
  const { cpu, memory, load } = measureVitals()
  const loop = performance.eventLoopUtilization()
  const { utilization } = performance.eventLoopUtilization(loop, loopBefore)
  loopBefore = loop
  await app.hub.publishMany([
    { topic: 'vitals/cpu', data: cpu },
    { topic: 'vitals/memory', data: memory },
    { topic: 'vitals/load', data: load },
    { topic: 'vitals/hub', data: { utilization, rssBytes: process.memoryUsage.rss() } },
  ])
}

await servePage(app, import.meta.dirname)
let loopBefore = performance.eventLoopUtilization()
const timer = setInterval(() => void publishVitals(), 1000)
app.addHook('preClose', async () => clearInterval(timer))
await listen(app)
