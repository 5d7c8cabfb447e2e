// The picture of the results.

import t from 'tap'
import { barChart } from '../../bench/support/bar-chart.ts'

const bars = [
  { name: 'a & b', value: 200, label: '200 <k>' },
  { name: 'c', value: 50, label: '50' },
]
const chart = { title: 'T', subtitle: 'S', columns: 2, footer: 'F', panels: [{ title: 'P', bars }] }

t.test('names and labels cannot become markup', async t => {
  const svg = barChart({ ...chart, title: 'x < y & z' })
  t.match(svg, 'x &lt; y &amp; z')
  t.match(svg, 'a &amp; b')
  t.match(svg, '200 &lt;k>')
  t.notMatch(svg, /&(?!amp;|lt;)|<k>/)
})

t.test('a bar is as long as its value by the largest, in columns of any number', async t => {
  for (const columns of [1, 2]) {
    const svg = barChart({ ...chart, columns })
    const lengths = [...svg.matchAll(/class="(?:ours|others)"[^>]* width="([\d.]+)"/g)].map(([, width]) =>
      Number(width),
    )
    t.equal(lengths.length, 2)
    t.ok(Math.abs(lengths[0]! / lengths[1]! - 4) < 0.01)
  }
})

t.test('all that is drawn is inside the picture', async t => {
  const svg = barChart({ ...chart, panels: Array.from({ length: 4 }, () => ({ title: 'P', bars })) })
  const height = Number(/viewBox="0 0 880 (\d+)"/.exec(svg)![1])
  const lowest = Math.max(...[...svg.matchAll(/ y="([\d.]+)"/g)].map(([, y]) => Number(y)))
  t.ok(lowest < height)
})
