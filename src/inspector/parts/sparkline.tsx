// A topic's rate over the last seconds, without axes.

import type { ComponentChildren } from 'preact'

const WIDTH = 80
const HEIGHT = 20

export function Sparkline({
  values,
  length,
}: {
  values: readonly number[]
  length: number
}): ComponentChildren {
  const top = Math.max(...values, 0.001)
  const step = WIDTH / (length - 1)
  const from = WIDTH - step * (values.length - 1)
  const points = values.map(
    (value, at) =>
      `${(from + at * step).toFixed(1)},${(HEIGHT - 2 - (value / top) * (HEIGHT - 4)).toFixed(1)}`,
  )
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      {values.length > 1 && <polyline points={points.join(' ')} />}
    </svg>
  )
}
