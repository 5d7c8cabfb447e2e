// A worker: one listener over the main thread's log.

import { parentPort, workerData } from 'node:worker_threads'
import { ConnectionCounts } from '../http/connection-counts.ts'
import type { Rate } from '../http/rates.ts'
import { startListener, type Listener } from '../listener.ts'
import { RemoteLog } from '../log/remote.ts'
import { createThreadLogger } from '../logger.ts'
import { answerCalls, Calls, tellNews } from '../thread-calls.ts'
import type { MainMethods, WorkerData, WorkerMethods, WorkerNews } from './messages.ts'

const { name, number, config, logLevel, tls, keys, log: handle, counts } = workerData as WorkerData
const port = parentPort!
const main = new Calls<MainMethods>(port)
const log = new RemoteLog(handle)
const logger = createThreadLogger(logLevel, name, (line: WorkerNews) => tellNews(port, line))
let listener: Promise<Listener> | undefined
let isEnding = false

const methods: WorkerMethods = {
  async start() {
    listener = startListener({
      config,
      logger,
      log,
      tls,
      keys,
      counts: new ConnectionCounts(counts, number),
      rates: { take: takeOf },
      renewElsewhere: (feed, token) => main.call('renew', feed, token),
      askElsewhere: (question, value) => main.call('askOthers', number, question, value),
      readMetrics: () => main.call('readMetrics'),
      reusePort: true,
    })
    await listener
  },
  async useCertificate(changed) {
    const { useCertificate } = await listener!
    useCertificate(changed)
  },
  async useKeys(changed) {
    const { useKeys } = await listener!
    useKeys(changed)
  },
  async renew(feed, token) {
    const { renew } = await listener!
    return renew(feed, token)
  },
  async answer(question, value) {
    const { questions } = await listener!
    return questions.answer(question, value)
  },
  async metrics() {
    const { metrics } = await listener!
    return metrics.registry.getMetricsAsJSON()
  },
  async close() {
    await (await listener)?.close()
    await log.close()
  },
  end,
}
answerCalls(port, methods)

process.on('uncaughtException', error => {
  logger.fatal({ err: error }, 'an error that nobody foresaw ends this worker')
  end()
})

// Longer, and the thread is ended whatever it has open.
const END_MS = 1000

// Where a thread ends while HTTP/2 hands it what came, Node aborts the whole process (nodejs/node#38418). So the
// connections go first, and not from within a callback of theirs (nodejs/node#64850).
function end(): void {
  if (isEnding) return
  isEnding = true
  setImmediate(() => {
    setTimeout(() => process.exit(1), END_MS)
    void listener?.then(({ cut }) => cut()).finally(() => process.exit(1))
  })
}

// Without a limit nobody has to be asked.
function takeOf(rate: Rate, who: readonly string[], amount: number): number | Promise<number> {
  const limit = rate === 'publish' ? config.maxPublishRate : config.maxStreamRate
  return limit === 0 ? 0 : main.call('takeOf', rate, who, amount)
}
