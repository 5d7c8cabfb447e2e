// Makes a sample of how the hub is, of all its threads, from how their counts have grown.

import { packageVersion } from '../../version.ts'
import type { HubFigures } from '../../hub/figures.ts'
import { formatId } from '../../protocol/ids.ts'
import type { Quantiles, Stats, StatsRates } from '../../protocol/inspector.ts'
import type { InspectorContext } from './context.ts'
import { growth, quantilesOf, sumOf } from './quantiles.ts'
import { THREAD_FIGURES, type ThreadFigures } from './thread-figures.ts'
import { TopicRates } from './topic-rates.ts'

type Figures = readonly ThreadFigures[]

export class StatsMaker {
  readonly #context: InspectorContext
  readonly #topics: TopicRates
  /** By thread: one that is too busy to answer is counted later. */
  readonly #before = new Map<number, ThreadFigures>()
  #at = performance.now()
  #cpu = process.cpuUsage()

  /** The first sample counts from here. */
  static async start(context: InspectorContext): Promise<StatsMaker> {
    const maker = new StatsMaker(context)
    for (const figures of await maker.#ask()) maker.#before.set(figures.thread, figures)
    return maker
  }

  private constructor(context: InspectorContext) {
    this.#context = context
    this.#topics = new TopicRates(context.hub.log)
  }

  stop(): void {
    this.#topics.stop()
  }

  async make(): Promise<Stats> {
    const { options, hub } = this.#context
    const figures = await this.#ask()
    const intervalMs = performance.now() - this.#at
    this.#at += intervalMs
    const seconds = intervalMs / 1000
    const sum = (name: NumberName): number => figures.reduce((all, each) => all + each[name], 0)
    const stats: Stats = {
      time: Date.now(),
      uptimeMs: Math.round(process.uptime() * 1000),
      version: packageVersion,
      threads: figures.length,
      intervalMs,
      rates: this.#rates(figures, seconds),
      streams: sum('streams'),
      connections: sum('connections'),
      live: sum('live'),
      behind: sum('behind'),
      latency: {
        append: this.#quantiles(figures, 'append'),
        flush: this.#quantiles(figures, 'flush'),
        eventLoop: worst(figures.map(({ eventLoop }) => eventLoop)),
      },
      memory: { rss: process.memoryUsage.rss(), heapUsed: sum('heapUsed'), external: sum('external') },
      cpu: this.#cpuShare(intervalMs),
      log: { name: options.logName, ...hub.log.usage(), head: formatId(hub.log.epoch, hub.log.head()) },
      topics: this.#topics.take(seconds),
    }
    for (const each of figures) this.#before.set(each.thread, each)
    return stats
  }

  #ask(): Promise<Figures> {
    return this.#context.questions.ask(THREAD_FIGURES, undefined)
  }

  #rates(figures: Figures, seconds: number): StatsRates {
    const rate = (name: NumberName): number =>
      figures.reduce((all, now) => all + now[name] - (this.#before.get(now.thread) ?? now)[name], 0) / seconds
    return {
      published: rate('published'),
      delivered: rate('delivered'),
      writes: rate('writes'),
      bytesSent: Math.max(0, rate('bytesSent')),
      gaps: rate('gaps'),
      fellBehind: rate('fellBehind'),
    }
  }

  #quantiles(figures: Figures, name: 'append' | 'flush'): Quantiles | undefined {
    const counted = figures.map(now => growth(now[name], this.#before.get(now.thread)?.[name]))
    return quantilesOf(sumOf(counted), figures[0]![name].bounds)
  }

  #cpuShare(intervalMs: number): number {
    const { user, system } = process.cpuUsage(this.#cpu)
    this.#cpu = process.cpuUsage()
    return (user + system) / 1000 / intervalMs
  }
}

type NumberName = Exclude<keyof HubFigures, 'append' | 'flush'> | 'bytesSent' | 'heapUsed' | 'external'

function worst(each: readonly (Quantiles | undefined)[]): Quantiles | undefined {
  return each.reduce(
    (one, other) => (one === undefined || (other?.p99 ?? 0) > one.p99 ? other : one),
    undefined,
  )
}
