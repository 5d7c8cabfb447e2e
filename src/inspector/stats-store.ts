// What the hub tells of itself, once a second: the newest figures, and those of the last minutes for the plots.

import type { Quantiles, Stats } from '../protocol/inspector.ts'
import { openEventStream } from './event-stream.ts'
import { Store } from './store.ts'

export interface Sample {
  /** Seconds since 1970, as uPlot has it. */
  readonly time: number
  /** Null: the hub was away. */
  readonly values: SampleValues | null
}

export interface SampleValues {
  readonly published: number
  readonly delivered: number
  readonly live: number
  readonly behind: number
  readonly append: Quantiles | undefined
  readonly flush: Quantiles | undefined
  readonly eventLoop: Quantiles | undefined
  readonly rss: number
  readonly cpu: number
}

export type Connection =
  | { readonly state: 'connecting' | 'open' }
  | { readonly state: 'away'; readonly since: number }
  | { readonly state: 'refused'; readonly why: string }

export const connection = new Store<Connection>({ state: 'connecting' })
/** How often the hub has come back. */
export const recoveries = new Store(0)
export const latest = new Store<Stats | undefined>(undefined)

interface Spark {
  readonly events: number
  readonly rates: readonly number[]
}

/** The plots' time. */
export const SPAN_S = 300
/** How many seconds a topic's rates are kept of. */
export const SPARK_LENGTH = 40
// The hub sends one a second.
const SILENCE_MS = 10_000
const KEY = 'millrace-samples'

let samples: Sample[] = restored()
let sparks = new Map<string, Spark>()

export function allSamples(): readonly Sample[] {
  return samples
}

/** The rates of a topic that was among the busiest, the oldest first. */
export function sparkOf(topic: string): readonly number[] {
  return sparks.get(topic)?.rates ?? []
}

export function startStats(): void {
  openEventStream(
    'inspector/api/stats',
    {
      onOpen: () => {
        if (connection.value.state === 'away') recoveries.set(recoveries.value + 1)
        connection.set({ state: 'open' })
      },
      onEvent: ({ type, data }) => {
        if (type === 'stats') take(JSON.parse(data) as Stats)
      },
      onAway: () => {
        if (connection.value.state === 'away') return
        samples.push({ time: Date.now() / 1000, values: null })
        connection.set({ state: 'away', since: Date.now() })
      },
      onRefused: ({ message }) => connection.set({ state: 'refused', why: message }),
    },
    SILENCE_MS,
  )
  // A page that is loaded again has its plots again.
  addEventListener('pagehide', () => sessionStorage.setItem(KEY, JSON.stringify(samples)))
}

function take(stats: Stats): void {
  const { rates, live, behind, latency, memory, cpu } = stats
  const values = {
    published: rates.published,
    delivered: rates.delivered,
    live,
    behind,
    ...latency,
    rss: memory.rss,
    cpu,
  }
  const time = stats.time / 1000
  samples = [
    ...samples.filter(sample => sample.time > time - SPAN_S - 5 && sample.time < time),
    { time, values },
  ]
  const seconds = stats.intervalMs / 1000
  sparks = new Map(
    stats.topics.map(({ topic, events }) => {
      const before = sparks.get(topic)
      // As it was, second by second: the rate that the hub tells is smoothed.
      const fresh = before === undefined ? 0 : Math.max(0, events - before.events) / seconds
      return [topic, { events, rates: [...(before?.rates ?? []), fresh].slice(-SPARK_LENGTH) }]
    }),
  )
  latest.set(stats)
}

function restored(): Sample[] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? '[]') as Sample[]
    const recent = kept.filter(({ time }) => time > Date.now() / 1000 - SPAN_S)
    return recent.length === 0 ? [] : [...recent, { time: recent.at(-1)!.time + 0.001, values: null }]
  } catch {
    return []
  }
}
