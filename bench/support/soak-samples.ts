// What bench/soak.ts looks at once a second, and what it makes of it.

import { stat } from 'node:fs/promises'
import type { ClientHttp2Session } from 'node:http2'
import { join } from 'node:path'
import { readMetrics } from './hub.ts'
import { linePlot } from './line-plot.ts'
import { memoryKiB, residentKiB } from './process-figures.ts'
import { median, slope } from './statistics.ts'

/** Figures of the hub; sizes are in MiB. */
export interface SoakSample {
  readonly minute: number
  /** Proportional and resident set size: all threads. */
  readonly pss: number
  readonly rss: number
  /** Of the main thread. */
  readonly heap: number
  readonly external: number
  readonly connections: number
  readonly streams: number
  readonly behind: number
  /** The log's file, and its write-ahead log. */
  readonly file: number
  readonly wal: number
  /** What the log's events count for. */
  readonly kept: number
  readonly published: number
  readonly delivered: number
  readonly gaps: number
  /** Of the main thread's event loop since the sample before, 99th percentile. */
  readonly loopDelayMs: number
}

export interface SoakHub {
  readonly pid: number
  readonly directory: string
}

/** `published` and `delivered` count from the start of the hub. */
export async function sample(
  { pid, directory }: SoakHub,
  session: ClientHttp2Session,
  minute: number,
): Promise<SoakSample> {
  const metrics = await readMetrics(session)
  const of = (name: string): number => metrics.get(name) ?? 0
  return {
    minute,
    pss: (await memoryKiB(pid)) / 1024,
    rss: (await residentKiB(pid)) / 1024,
    heap: of('nodejs_heap_size_used_bytes') / 2 ** 20,
    external: of('nodejs_external_memory_bytes') / 2 ** 20,
    connections: of('millrace_connections'),
    streams: of('millrace_streams'),
    behind: of('millrace_subscribers_behind'),
    file: await sizeOf(join(directory, 'log.db')),
    wal: await sizeOf(join(directory, 'log.db-wal')),
    kept: of('millrace_log_bytes') / 2 ** 20,
    published: of('millrace_published_events_total'),
    delivered: of('millrace_delivered_events_total'),
    gaps: of('millrace_gaps_total'),
    loopDelayMs: of('nodejs_eventloop_lag_p99_seconds') * 1000,
  }
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => ({ size: 0 }))).size / 2 ** 20
}

export interface Trend {
  /** Over the second half, when limits are reached and caches are full. */
  readonly mebibytesPerHour: number
  /** Medians of the third and the fourth quarter, MiB. */
  readonly third: number
  readonly fourth: number
}

export function trendOf(samples: readonly SoakSample[], of: (sample: SoakSample) => number): Trend {
  const quarter = Math.floor(samples.length / 4)
  const second = samples.slice(2 * quarter)
  return {
    mebibytesPerHour: slope(second.map(each => [each.minute / 60, of(each)] as const)),
    third: median(second.slice(0, quarter).map(of)),
    fourth: median(second.slice(-quarter).map(of)),
  }
}

export function soakPlot(samples: readonly SoakSample[], subtitle: string): string {
  const curve = (name: string, of: (sample: SoakSample) => number): { name: string; values: number[] } => ({
    name,
    values: samples.map(of),
  })
  return linePlot({
    title: `A hub under churn for ${Math.round(samples.at(-1)!.minute)} minutes`,
    subtitle,
    at: samples.map(({ minute }) => minute),
    axis: { title: 'minutes' },
    panels: [
      {
        title: 'Memory',
        unit: 'MiB',
        curves: [
          curve('whole process (PSS)', each => each.pss),
          curve('heap in use', each => each.heap),
          curve('external', each => each.external),
        ],
      },
      {
        title: 'The log on disk',
        unit: 'MiB',
        curves: [curve('file', each => each.file + each.wal), curve('events in it', each => each.kept)],
      },
      {
        title: 'Event streams',
        unit: '',
        curves: [curve('open', each => each.streams), curve('behind', each => each.behind)],
      },
      {
        title: 'Events',
        unit: 'per second',
        curves: [
          { name: 'delivered', values: rates(samples, each => each.delivered) },
          { name: 'published', values: rates(samples, each => each.published) },
        ],
      },
      {
        title: 'Event-loop delay, p99 of each second',
        unit: 'ms',
        curves: [curve('main thread', each => each.loopDelayMs)],
      },
    ],
  })
}

function rates(samples: readonly SoakSample[], of: (sample: SoakSample) => number): number[] {
  return samples.map((each, at) => {
    const before = samples[at - 1]
    return before === undefined ? 0 : (of(each) - of(before)) / ((each.minute - before.minute) * 60)
  })
}
