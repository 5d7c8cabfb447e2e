// The workers of a hub in this process: which of them has a connection, and ending one.

import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import type { Test } from 'tap'
import type { TestHub } from './hub.ts'
import { Http2Client } from './http2-client.ts'
import { metric } from './metrics.ts'

const running = new Map<string, Worker>()

process.on('worker', (worker: Worker) => {
  const name = worker.threadName
  if (name?.startsWith('worker-')) running.set(name, worker)
})

/** Has this worker, of the hub that was started last, fail with an error that nobody foresaw; resolves when it is gone. */
export async function crashWorker(name: string): Promise<void> {
  const worker = running.get(name)!
  const gone = once(worker, 'exit')
  // No message is null: whoever looks into it throws.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
  worker.postMessage(null)
  await gone
}

/** Ends this worker from outside, as Node does when it is out of memory; resolves when it is gone. */
export async function terminateWorker(name: string): Promise<void> {
  await running.get(name)!.terminate()
}

/** Resolves when this worker serves again, after it was ended. */
export async function workerIsBack(hub: TestHub, name: string): Promise<void> {
  const listens = `nodejs_active_resources{type="TCPServerWrap",thread="${name}"}`
  for (let patience = 400; patience > 0; patience--) {
    // The connection that asks may be one that was cut.
    if ((await metric(hub, listens).catch(() => 0)) > 0) return
    await sleep(25)
  }
  throw new Error(`${name} is not back`)
}

/** A connection to each of the workers, in the order of their names: the kernel decides, so it takes some tries. */
export async function clientOfEach<const Names extends readonly string[]>(
  t: Test,
  hub: TestHub,
  names: Names,
): Promise<{ readonly [At in keyof Names]: Http2Client }> {
  const clients: (Http2Client | undefined)[] = names.map(() => undefined)
  for (let tries = 0; clients.includes(undefined); tries++) {
    if (tries === 100) throw new Error(`no connection in ${tries} came to one of the workers`)
    const before = await Promise.all(names.map(name => sockets(hub, name)))
    const client = new Http2Client(t, hub)
    await client.roundTrip()
    const after = await Promise.all(names.map(name => sockets(hub, name)))
    const at = after.findIndex((count, each) => count > before[each]!)
    if (at !== -1 && clients[at] === undefined) clients[at] = client
    else await client.close()
  }
  return clients as unknown as { readonly [At in keyof Names]: Http2Client }
}

function sockets(hub: TestHub, name: string): Promise<number> {
  return metric(hub, `nodejs_active_resources{type="TCPSocketWrap",thread="${name}"}`)
}
