// A plot of the last minutes, by uPlot: lines that move on with each sample, and their values, now or under the pointer.

import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { moment } from '../format.ts'
import { allSamples, latest, SPAN_S, type SampleValues } from '../stats-store.ts'
import { useStore } from '../store.ts'
import { theme } from '../theme.ts'

export interface Line {
  readonly name: string
  /** Undefined: there is nothing to show. */
  readonly value: (values: SampleValues) => number | undefined
  readonly text: (value: number) => string
  /** What stands below the value. */
  readonly aside?: (values: SampleValues) => string
  /** How it is drawn: its colour is that of the class `line-…`. */
  readonly look: 'main' | 'second' | 'third'
  /** Lines of another scale have their axis on the right. Default: the left one. */
  readonly scale?: 'right'
}

export interface PlotParts {
  readonly title: string
  readonly lines: readonly Line[]
  readonly axis: (value: number) => string
  /** The steps that it may have. Default: round ones. */
  readonly steps?: readonly number[]
  readonly rightAxis?: (value: number) => string
  /** The least that the left axis reaches to. */
  readonly atLeast: number
  readonly rightAtLeast?: number
}

const HEIGHT = 172

export function Plot(parts: PlotParts): ComponentChildren {
  const { title, lines } = parts
  const stats = useStore(latest)
  const [pointed, setPointed] = useState<number>()
  const box = useRef<HTMLDivElement>(null)
  const legend = useRef<HTMLDListElement>(null)
  const plot = useRef<uPlot>()
  useEffect(() => {
    const element = box.current!
    const colourOf = (at: number): string =>
      getComputedStyle(legend.current!.querySelectorAll('i')[at]!).color
    const options = optionsOf(parts, element, colourOf, setPointed)
    const drawn = (plot.current = new uPlot(options, dataOf(lines), element))
    const resized = new ResizeObserver(() => drawn.setSize({ width: element.clientWidth, height: HEIGHT }))
    resized.observe(element)
    // Colours are asked for when it is drawn.
    const stop = theme.listen(() => requestAnimationFrame(() => drawn.redraw(false, true)))
    return () => {
      stop()
      resized.disconnect()
      drawn.destroy()
    }
  }, [])
  useEffect(() => plot.current?.setData(dataOf(lines)), [stats])
  const samples = allSamples()
  const sample = pointed === undefined ? samples.at(-1) : samples[pointed]
  return (
    <section class="card plot" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {pointed !== undefined && sample !== undefined && <time>{moment(sample.time * 1000, false)}</time>}
      </header>
      <dl class="figures" ref={legend}>
        {lines.map(({ name, value, text, aside, look }) => {
          const values = sample?.values ?? undefined
          const shown = values === undefined ? undefined : value(values)
          return (
            <div key={name}>
              <dt>
                <i class={`line-${look}`} aria-hidden="true" />
                {name}
              </dt>
              <dd>{shown === undefined ? '–' : text(shown)}</dd>
              {aside !== undefined && <dd class="aside">{values === undefined ? '–' : aside(values)}</dd>}
            </div>
          )
        })}
      </dl>
      <div ref={box} class="plot-box" aria-hidden="true" />
    </section>
  )
}

function dataOf(lines: readonly Line[]): uPlot.AlignedData {
  const samples = allSamples()
  const columns = lines.map(({ value }) =>
    samples.map(({ values }) => (values === null ? null : value(values))),
  )
  return [samples.map(({ time }) => time), ...columns]
}

function optionsOf(
  { lines, axis, steps, rightAxis, atLeast, rightAtLeast = 1 }: PlotParts,
  element: HTMLElement,
  colourOf: (line: number) => string,
  setPointed: (at: number | undefined) => void,
): uPlot.Options {
  const faint = (): string => getComputedStyle(element).borderTopColor
  const muted = (): string => getComputedStyle(element).color
  const font = '11px system-ui, sans-serif'
  const side = { stroke: muted, font, grid: { stroke: faint, width: 1 }, ticks: { show: false }, gap: 6 }
  return {
    width: element.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    cursor: { y: false, drag: { setScale: false, x: false }, points: { size: 7 }, sync: { key: 'overview' } },
    scales: {
      x: { range: () => [Date.now() / 1000 - SPAN_S, Date.now() / 1000] },
      y: { range: (_plot, _low, high) => [0, Math.max(atLeast, (high ?? 0) * 1.1)] },
      right: { range: (_plot, _low, high) => [0, Math.max(rightAtLeast, (high ?? 0) * 1.1)] },
    },
    axes: [
      {
        ...side,
        grid: { show: false },
        size: 24,
        space: 40,
        incrs: [60, 120, 300],
        values: (_plot, times) => times.map(clock),
      },
      {
        ...side,
        size: 56,
        space: 36,
        values: (_plot, values) => values.map(axis),
        ...(steps !== undefined && { incrs: [...steps] }),
      },
      ...(rightAxis === undefined
        ? []
        : [
            {
              ...side,
              scale: 'right',
              side: 1,
              size: 44,
              space: 36,
              grid: { show: false },
              values: (_plot: uPlot, values: number[]) => values.map(rightAxis),
            },
          ]),
    ],
    series: [
      {},
      ...lines.map(({ look, scale = 'y' }, at): uPlot.Series => ({
        scale,
        stroke: () => colourOf(at),
        width: look === 'main' ? 2 : 1.5,
        ...(look === 'second' && { dash: [5, 4] }),
        ...(look === 'main' && { fill: () => `color-mix(in srgb, ${colourOf(at)} 12%, transparent)` }),
        points: { show: false },
        spanGaps: false,
      })),
    ],
    hooks: { setCursor: [({ cursor }) => setPointed(cursor.idx ?? undefined)] },
  }
}

function clock(seconds: number): string {
  return moment(seconds * 1000, false).slice(-8, -3)
}
