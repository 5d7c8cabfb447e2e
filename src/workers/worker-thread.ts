// A worker: one listener over the main thread's log.

import { parentPort, workerData } from 'node:worker_threads'
import { ConnectionCounts } from '../http/connection-counts.ts'
import { startListener, type Listener } from '../listener.ts'
import { RemoteLog } from '../log/remote.ts'
import { createThreadLogger } from '../logger.ts'
import { answerCalls, Calls, tellNews } from '../thread-calls.ts'
import type { MainMethods, WorkerData, WorkerMethods, WorkerNews } from './messages.ts'

const { name, number, config, logLevel, tls, log: handle, counts } = workerData as WorkerData
const port = parentPort!
const main = new Calls<MainMethods>(port)
const log = new RemoteLog(handle)
let listener: Promise<Listener> | undefined

const methods: WorkerMethods = {
  async start() {
    listener = startListener({
      config,
      logger: createThreadLogger(logLevel, name, (line: WorkerNews) => tellNews(port, line)),
      log,
      tls,
      counts: new ConnectionCounts(counts, number),
      publishRate: { take: takePublishRate },
      readMetrics: () => main.call('readMetrics'),
      reusePort: true,
    })
    await listener
  },
  async useCertificate(changed) {
    const { useCertificate } = await listener!
    useCertificate(changed)
  },
  async metrics() {
    const { metrics } = await listener!
    return metrics.registry.getMetricsAsJSON()
  },
  async close() {
    await (await listener)?.close()
    await log.close()
  },
}
answerCalls(port, methods)

// Without a limit nobody has to be asked.
function takePublishRate(address: string, events: number): number | Promise<number> {
  return config.maxPublishRate === 0 ? 0 : main.call('takePublishRate', address, events)
}
