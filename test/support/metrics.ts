// A hub's own numbers, and waiting until one of them says what a test waits for.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Response } from 'undici'

interface Measured {
  fetch(path: string): Promise<Pick<Response, 'text'>>
}

/** The value of a metric, such as `millrace_streams` or `millrace_closes_total{reason="client"}`; 0 when absent. */
export async function metric(hub: Measured, name: string): Promise<number> {
  const text = await (await hub.fetch('/metrics')).text()
  const line = text.split('\n').find(each => each.startsWith(`${name} `))
  return Number(line?.slice(name.length + 1) ?? 0)
}

/** Resolves once the metric has this value; rejects after 10 seconds with the one that it has. */
export async function metricIs(hub: Measured, name: string, wanted: number): Promise<void> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const value = await metric(hub, name)
    if (value === wanted) return
    if (performance.now() > deadline) throw new Error(`${name} is ${value}, not ${wanted}`)
    await sleep(5)
  }
}
