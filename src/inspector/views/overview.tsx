// How the hub is: four plots of the last minutes, the busiest topics, and what the log holds.

import type { ComponentChildren } from 'preact'
import type { Quantiles, Stats } from '../../protocol/inspector.ts'
import { bytes, compact, count, duration, latency, percent, rate } from '../format.ts'
import { hrefOf, topicHref } from '../location.ts'
import { Plot, type Line } from '../parts/plot.tsx'
import { Sparkline } from '../parts/sparkline.tsx'
import { TopicName } from '../parts/topic-name.tsx'
import { latest, SPARK_LENGTH, sparkOf, type SampleValues } from '../stats-store.ts'
import { useStore } from '../store.ts'

const BUSIEST = 8

const MB = 1024 * 1024
const MEMORY_STEPS = [16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_384].map(size => size * MB)

export function OverviewView(): ComponentChildren {
  const stats = useStore(latest)
  const perSecond = (value: number): string => `${rate(value)}/s`
  return (
    <div class="overview">
      <h1 class="unseen">Overview</h1>
      <Plot
        title="Events"
        atLeast={5}
        axis={compact}
        lines={[
          { name: 'Delivered', look: 'main', value: ({ delivered }) => delivered, text: perSecond },
          { name: 'Published', look: 'second', value: ({ published }) => published, text: perSecond },
        ]}
      />
      <Plot
        title="Subscribers"
        atLeast={5}
        axis={compact}
        lines={[
          { name: 'Live', look: 'main', value: ({ live }) => live, text: count },
          { name: 'Behind', look: 'second', value: ({ behind }) => behind, text: count },
        ]}
      />
      <Plot
        title="Latency, p99"
        atLeast={1}
        axis={value => `${value} ms`}
        lines={[
          latencyLine('Append', 'main', ({ append }) => append),
          latencyLine('Flush', 'second', ({ flush }) => flush),
          latencyLine('Event loop', 'third', ({ eventLoop }) => eventLoop),
        ]}
      />
      <Plot
        title="Process"
        atLeast={64 * MB}
        axis={bytes}
        steps={MEMORY_STEPS}
        rightAtLeast={0.25}
        rightAxis={percent}
        lines={[
          { name: 'Memory', look: 'main', value: ({ rss }) => rss, text: bytes },
          { name: 'CPU, of a core', look: 'second', scale: 'right', value: ({ cpu }) => cpu, text: percent },
        ]}
      />
      <Busiest stats={stats} />
      <HubFacts stats={stats} />
    </div>
  )
}

function latencyLine(
  name: string,
  look: Line['look'],
  of: (values: SampleValues) => Quantiles | undefined,
): Line {
  const aside = (values: SampleValues): string => `p50 ${latency(of(values)?.p50)}`
  return { name, look, value: values => of(values)?.p99, text: latency, aside }
}

function Busiest({ stats }: { stats: Stats | undefined }): ComponentChildren {
  const topics = stats?.topics.slice(0, BUSIEST) ?? []
  return (
    <section class="card busiest" aria-labelledby="busiest">
      <header>
        <h2 id="busiest">Busiest topics</h2>
        <a href={hrefOf('topics')}>All topics</a>
      </header>
      {topics.length === 0 && (
        <p class="empty">
          Nothing was published since you look. <a href={hrefOf('publish')}>Publish something</a>
        </p>
      )}
      <ul>
        {topics.map(({ topic, rate: perSecond, lastData }) => (
          <li key={topic}>
            <a href={topicHref(topic)} aria-label={`${topic}, ${rate(perSecond)} a second`}>
              <TopicName topic={topic} />
              <span class="last">{lastData}</span>
              <Sparkline values={sparkOf(topic)} length={SPARK_LENGTH} />
              <b>{rate(perSecond)}/s</b>
            </a>
          </li>
        ))}
      </ul>
    </section>
  )
}

function HubFacts({ stats }: { stats: Stats | undefined }): ComponentChildren {
  if (stats === undefined) return <section class="card facts" aria-hidden="true" />
  const { log, rates, memory } = stats
  const facts: readonly (readonly [string, string])[] = [
    ['Up for', duration(stats.uptimeMs)],
    ['Threads', count(stats.threads)],
    ['Connections', count(stats.connections)],
    ['Streams', count(stats.streams)],
    ['Sent', `${bytes(rates.bytesSent)}/s`],
    ['Writes', `${rate(rates.writes)}/s`],
    ['Gaps told', `${rate(rates.gaps)}/s`],
    ['Fell behind', `${rate(rates.fellBehind)}/s`],
    ['Heap', bytes(memory.heapUsed)],
    ['Log', log.name],
    ['Topics', count(log.topics)],
    ['Events kept', count(log.events)],
    ['Kept bytes', bytes(log.bytes)],
    ['States', bytes(log.stateBytes)],
    ['Head', log.head],
  ]
  return (
    <section class="card facts" aria-labelledby="facts">
      <header>
        <h2 id="facts">The hub</h2>
      </header>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </section>
  )
}
