// Curves as pictures: where the points are, on both kinds of axis.

import t from 'tap'
import { linePlot } from '../../bench/support/line-plot.ts'

const panels = [{ title: 'P', unit: 'u', curves: [{ name: 'a & b', values: [1, 2, 3, 4] }] }]
const pointsOf = (svg: string): number[][] =>
  /class="line c0" d="M([^"]*)"/
    .exec(svg)![1]!
    .split('L')
    .map(point => point.split(' ').map(Number))

t.test('steps of a logarithmic axis are powers of ten, each as wide as the others', async t => {
  const axis = { title: 'subscribers', isLogarithmic: true }
  const svg = linePlot({ title: 'T', subtitle: 'S', at: [100, 1000, 10_000, 100_000], axis, panels })
  const places = pointsOf(svg).map(([x]) => x!)
  const steps = places.slice(1).map((x, at) => Math.round(x - places[at]!))
  t.equal(new Set(steps).size, 1, steps.join(', '))
  for (const tick of ['100', '1,000', '10,000', '100,000']) t.match(svg, `>${tick}</text>`)
})

t.test('a linear axis begins at 0', async t => {
  const svg = linePlot({ title: 'T', subtitle: 'S', at: [0, 10, 20, 30], axis: { title: 'minutes' }, panels })
  const [first, second] = pointsOf(svg)
  t.same([first![0], Math.round(second![0]! - first![0]!)], [76, Math.round((880 - 76 - 28) / 3)])
  t.match(svg, '>minutes</text>')
  t.match(svg, 'a &amp; b')
})

t.test('a higher value stands higher', async t => {
  const svg = linePlot({ title: 'T', subtitle: 'S', at: [0, 1, 2, 3], axis: { title: 'x' }, panels })
  const heights = pointsOf(svg).map(([, y]) => y!)
  t.same(
    heights,
    [...heights].sort((a, b) => b - a),
  )
})
