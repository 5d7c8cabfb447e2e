// The metrics of a hub whose work is spread over threads, as one: counts are summed, what is the process's own stands
// once, and what Node tells of a thread carries the thread's name.

import {
  AggregatorRegistry,
  collectDefaultMetrics,
  Registry,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client'
import type { LogUsage } from '../log/event-log.ts'
import { registerLogMetrics } from './metrics.ts'

/** What one registry has, as it can be handed from thread to thread. */
export type MetricValues = readonly MetricObjectWithValues<MetricValue<string>>[]

/** Of the main thread, which has no part in the hub's counts. */
export class AllThreadsMetrics {
  readonly #own = new Registry()
  /** What threads have counted that have ended: no counter may go back. */
  #retired: MetricValues = []

  constructor(usage: () => LogUsage) {
    collectDefaultMetrics({ register: this.#own })
    registerLogMetrics(this.#own, usage)
  }

  /** In the Prometheus text format. `workers`: what each has counted, by name. */
  async text(workers: ReadonlyMap<string, MetricValues>): Promise<string> {
    const own = labelled(await this.#own.getMetricsAsJSON(), 'main')
    const each = [...workers].map(([thread, metrics]) => ofThread(metrics, thread))
    return AggregatorRegistry.aggregate([own, this.#retired, ...each]).metrics()
  }

  /** The thread has ended, and had counted this. */
  retire(thread: string, metrics: MetricValues): void {
    const counts = ofThread(metrics, thread).filter(({ type }) => TYPES_THAT_GROW.has(String(type)))
    const sums = AggregatorRegistry.aggregate([this.#retired, counts]).getMetricsAsArray()
    this.#retired = sums as unknown as MetricValues
  }
}

const TYPES_THAT_GROW: ReadonlySet<string> = new Set(['counter', 'histogram'])

function ofThread(metrics: MetricValues, thread: string): MetricValues {
  return labelled(
    metrics.filter(({ name }) => !isOfProcess(name)),
    thread,
  )
}

function labelled(metrics: MetricValues, thread: string): MetricValues {
  return metrics.map(metric => {
    // Else the start time would be left out.
    if (isOfProcess(metric.name)) return { ...metric, aggregator: 'first' as const }
    if (!metric.name.startsWith('nodejs_')) return metric
    const values = metric.values.map(value => ({ ...value, labels: { ...value.labels, thread } }))
    return { ...metric, values }
  })
}

function isOfProcess(name: string): boolean {
  return name.startsWith('process_') || name === 'nodejs_version_info'
}
