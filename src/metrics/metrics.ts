// Counts what the hub reports, for Prometheus.

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { MillraceError } from '../errors.ts'
import type { GzipTotals } from '../gzip/gzip-stream.ts'
import type { CloseReason } from '../hub/close-reason.ts'
import type { HistogramFigures, HubFigures } from '../hub/figures.ts'
import type { HubObserver } from '../hub/observer.ts'
import type { LogUsage } from '../log/event-log.ts'

/** What is read when somebody looks, rather than counted as it happens. */
interface Gauges {
  connections(): number
  streams(): number
  gzipTotals(): Readonly<GzipTotals>
}

export class Metrics implements HubObserver {
  readonly registry = new Registry()
  readonly #gauges: Gauges
  readonly #published = this.#counter('published_events_total', 'Events that the log took')
  readonly #repeated = this.#counter(
    'repeated_events_total',
    'Events that were published again under an Idempotency-Key that the log knew',
  )
  readonly #delivered = this.#counter('delivered_events_total', 'Events written to streams')
  readonly #writes = this.#counter('writes_total', 'Chunks written to streams')
  readonly #gaps = this.#counter('gaps_total', 'Times a subscriber was told that events are gone')
  readonly #fellBehind = this.#counter(
    'fell_behind_total',
    'Times a live subscriber did not read fast enough and went on from the log',
  )
  readonly #changes = this.#counter('feed_changes_total', 'Times a stream was made to follow other topics')
  readonly #readErrors = this.#counter(
    'log_read_errors_total',
    'Streams closed since the log could not be read',
  )
  readonly #pageReads = this.#counter(
    'catch_up_reads_total',
    'Pages read from the log for subscribers that catch up',
  )
  readonly #pagesShared = this.#counter(
    'catch_up_shared_total',
    'Pages that were in memory already when a subscriber that catches up needed them',
  )
  readonly #live = this.#gauge('subscribers_live', 'Subscribers at the head')
  readonly #behind = this.#gauge('subscribers_behind', 'Subscribers that are catching up or do not read')
  readonly #closes = new Counter({
    name: 'millrace_closes_total',
    help: 'Subscriptions that ended, by reason',
    labelNames: ['reason'] as const,
    registers: [this.registry],
  })
  readonly #abuse = new Counter({
    name: 'millrace_abuse_total',
    help: 'Requests and connections that were ended for what the client did, by reason',
    labelNames: ['reason'] as const,
    registers: [this.registry],
  })
  readonly #append = new Histogram({
    name: 'millrace_append_seconds',
    help: 'How long the log took to keep the events of one call',
    buckets: [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3],
    registers: [this.registry],
  })
  readonly #appendErrors = new Counter({
    name: 'millrace_append_errors_total',
    help: 'Calls that the log refused or failed, by error code',
    labelNames: ['code'] as const,
    registers: [this.registry],
  })
  readonly #flush = new Histogram({
    name: 'millrace_flush_seconds',
    help: 'From the first write of a flush to its last',
    buckets: [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1],
    registers: [this.registry],
  })

  constructor(gauges: Gauges) {
    this.#gauges = gauges
    collectDefaultMetrics({ register: this.registry })
    reading(this.registry, 'connections', 'Open connections', () => gauges.connections())
    reading(this.registry, 'streams', 'Open event streams', () => gauges.streams())
    this.#counting(
      'gzip_plain_bytes_total',
      'What compressed streams carried, before it was compressed',
      () => gauges.gzipTotals().plainBytes,
    )
    this.#counting(
      'gzip_sent_bytes_total',
      'What was sent on compressed streams',
      () => gauges.gzipTotals().sentBytes,
    )
  }

  abused(reason: string): void {
    this.#abuse.inc({ reason })
  }

  published(added: number, repeated: number, milliseconds: number): void {
    this.#published.inc(added)
    this.#append.observe(milliseconds / 1000)
    if (repeated > 0) this.#repeated.inc(repeated)
  }

  appendFailed(error: unknown): void {
    this.#appendErrors.inc({ code: error instanceof MillraceError ? error.code : 'MILLRACE_INTERNAL' })
  }

  delivered(events: number, subscribers: number): void {
    this.#delivered.inc(events * subscribers)
    this.#writes.inc(subscribers)
  }

  flushed(milliseconds: number): void {
    this.#flush.observe(milliseconds / 1000)
  }

  subscribed(): void {
    this.#behind.inc()
  }

  unsubscribed(reason: CloseReason, wasLive: boolean): void {
    const gauge = wasLive ? this.#live : this.#behind
    gauge.dec()
    this.#closes.inc({ reason })
  }

  fellBehind(): void {
    this.#fellBehind.inc()
    this.#live.dec()
    this.#behind.inc()
  }

  changed(wasLive: boolean): void {
    this.#changes.inc()
    if (!wasLive) return
    this.#live.dec()
    this.#behind.inc()
  }

  wentLive(): void {
    this.#behind.dec()
    this.#live.inc()
  }

  pageRead(): void {
    this.#pageReads.inc()
  }

  pageShared(): void {
    this.#pagesShared.inc()
  }

  gapAnnounced(): void {
    this.#gaps.inc()
  }

  readFailed(): void {
    this.#readErrors.inc()
  }

  /** What was counted so far, as numbers. */
  async figures(): Promise<HubFigures> {
    return {
      connections: this.#gauges.connections(),
      streams: this.#gauges.streams(),
      published: await valueOf(this.#published),
      delivered: await valueOf(this.#delivered),
      writes: await valueOf(this.#writes),
      gaps: await valueOf(this.#gaps),
      fellBehind: await valueOf(this.#fellBehind),
      live: await valueOf(this.#live),
      behind: await valueOf(this.#behind),
      append: await bucketsOf(this.#append),
      flush: await bucketsOf(this.#flush),
    }
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name: `millrace_${name}`, help, registers: [this.registry] })
  }

  #gauge(name: string, help: string): Gauge {
    return new Gauge({ name: `millrace_${name}`, help, registers: [this.registry] })
  }

  /** A counter that is kept elsewhere. */
  #counting(name: string, help: string, read: () => number): void {
    const collect = function (this: Counter): void {
      this.reset()
      this.inc(read())
    }
    this.registry.registerMetric(new Counter({ name: `millrace_${name}`, help, collect, registers: [] }))
  }
}

async function valueOf(metric: Counter | Gauge): Promise<number> {
  return (await metric.get()).values[0]?.value ?? 0
}

async function bucketsOf(histogram: Histogram): Promise<HistogramFigures> {
  const { values } = await histogram.get()
  const buckets = values.filter(({ metricName }) => metricName?.endsWith('_bucket'))
  return {
    // The last one has no bound: `+Inf`.
    bounds: buckets.slice(0, -1).map(({ labels }) => Number(labels.le)),
    counts: buckets.map(({ value }) => value),
  }
}

/** What the log holds is read once, however many threads use it. */
export function registerLogMetrics(registry: Registry, usage: () => LogUsage): void {
  reading(registry, 'log_topics', 'Topics with events in the log', () => usage().topics)
  reading(registry, 'log_events', 'Events in the log', () => usage().events)
  reading(registry, 'log_bytes', 'What the events in the log take', () => usage().bytes)
  reading(registry, 'state_bytes', "What the topics' states take", () => usage().stateBytes)
}

function reading(registry: Registry, name: string, help: string, read: () => number): void {
  const collect = function (this: Gauge): void {
    this.set(read())
  }
  registry.registerMetric(new Gauge({ name: `millrace_${name}`, help, collect, registers: [] }))
}
