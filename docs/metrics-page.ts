// Renders docs/reference/metrics.md from the registry that answers /metrics.

import type { MetricObject, Registry } from 'prom-client'
import { ABUSE_REASONS } from '../src/http/abuse.ts'
import { CLOSE_REASONS } from '../src/hub/close-reason.ts'
import { Metrics, registerLogMetrics } from '../src/metrics/metrics.ts'

const INTRODUCTION = `# Metrics

<!-- Made by docs/generate.ts from src/metrics/metrics.ts: edit that. -->

\`GET /metrics\` answers in Prometheus' text format; once there are tokens, to whoever has an admin grant. What to watch, and
when to be woken: [running a hub](../operations/running.md#watching).

With [workers](../operations/running.md#workers) all of these are sums over the threads. A histogram has
\`_bucket{le}\`, \`_sum\` and \`_count\`.
`

const OTHERS = `## Of the process

\`process_…\` and \`nodejs_…\` are the defaults of prom-client: CPU, memory, file descriptors, garbage collection, and
\`nodejs_eventloop_lag_p99_seconds\`. With workers, those that are a thread's have \`thread\`.
`

export async function metricsPage(): Promise<string> {
  const { registry } = new Metrics({
    connections: () => 0,
    streams: () => 0,
    gzipTotals: () => ({ plainBytes: 0, sentBytes: 0 }),
  })
  registerLogMetrics(registry, () => ({ topics: 0, events: 0, bytes: 0, stateBytes: 0 }))
  const ours = registry.getMetricsAsArray().filter(({ name }) => name.startsWith('millrace_'))
  const rows = await Promise.all(ours.map(({ name }) => metricRow(registry, name)))
  const table = ['| name | type | labels | |', '|---|---|---|---|', ...rows.sort(), ''].join('\n')
  return [INTRODUCTION, table, reasons(), OTHERS].join('\n')
}

async function metricRow(registry: Registry, name: string): Promise<string> {
  const metric = registry.getSingleMetric(name) as unknown as { labelNames: readonly string[] }
  // The registry knows types by their names.
  const { type, help } = (await registry.getMetricsAsJSON()).find(each => each.name === name) as MetricObject
  const labels = metric.labelNames.map(label => `\`${label}\``).join(', ')
  return `| \`${name}\` | ${String(type)} | ${labels} | ${help} |`
}

function reasons(): string {
  return [
    reasonTable('millrace_closes_total', CLOSE_REASONS),
    reasonTable('millrace_abuse_total', ABUSE_REASONS),
    '## `code` of `millrace_append_errors_total`\n\nA code of the [errors](errors.md).\n',
  ].join('\n')
}

function reasonTable(metric: string, texts: Readonly<Record<string, string>>): string {
  const rows = Object.entries(texts).map(([reason, text]) => `| \`${reason}\` | ${text} |`)
  return [`## \`reason\` of \`${metric}\`\n`, '| | |', '|---|---|', ...rows, ''].join('\n')
}
