// One topic's panel: its value now, and a chart of the last minutes in plain SVG.

const WINDOW_MS = 180_000
const WIDTH = 600
const HEIGHT = 160

export class Panel {
  box = document.createElement('section')
  /** Is told what time is pointed at; undefined: none any more. */
  onPoint = () => {}
  #options
  #points = []
  #value = document.createElement('p')
  #legend = document.createElement('p')
  #top = document.createElement('span')
  #svg = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' })
  #area = svg('path', { class: 'area' })
  #paths
  #cursor = svg('line', { class: 'cursor', y1: 0, y2: HEIGHT })
  #until = 0

  /** `least` is what the top of the chart stands for, at least: a number, or a function of the data. */
  constructor(options) {
    this.#options = options
    const title = Object.assign(document.createElement('h2'), { textContent: options.title })
    this.#value.className = 'value'
    this.#legend.className = 'soft'
    this.#top.className = 'top soft'
    this.#paths = options.series.map((_, at) => svg('path', { class: at === 0 ? 'line first' : 'line' }))
    const middle = svg('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2 })
    this.#svg.append(middle, this.#area, ...this.#paths, this.#cursor)
    const chart = document.createElement('div')
    chart.append(this.#svg, this.#top)
    this.box.append(title, this.#value, chart, this.#legend)
    this.#svg.onpointermove = event => this.onPoint(this.#timeAt(event.offsetX / this.#svg.clientWidth))
    this.#svg.onpointerleave = () => this.onPoint(undefined)
  }

  add(time, data) {
    const { series, least } = this.#options
    const values = series.map(({ of }) => of(data))
    this.#points.push({ time, values, least: typeof least === 'function' ? least(data) : least })
    while (this.#points[0].time < time - WINDOW_MS) this.#points.shift()
  }

  clear() {
    this.#points = []
  }

  draw(until, pointed) {
    if (this.#points.length === 0) return
    this.#until = until
    const { series, format, title } = this.#options
    const top = Math.max(...this.#points.flatMap(({ values, least }) => [...values, least]))
    for (const [at, path] of this.#paths.entries()) path.setAttribute('d', this.#lineOf(at, top))
    const from = this.#xOf(this.#points[0].time)
    this.#area.setAttribute('d', `${this.#lineOf(0, top)}V${HEIGHT}H${from}Z`)
    const point = this.#nearest(pointed ?? until)
    this.#value.textContent = format(point.values[0])
    this.#legend.textContent = series.map(({ name }, at) => `${name} ${format(point.values[at])}`).join(' · ')
    this.#top.textContent = format(top)
    this.#svg.setAttribute('aria-label', `${title}: ${this.#legend.textContent}`)
    const x = pointed === undefined ? -10 : this.#xOf(point.time)
    this.#cursor.setAttribute('x1', x)
    this.#cursor.setAttribute('x2', x)
  }

  #lineOf(at, top) {
    const corners = this.#points.map(({ time, values }) => {
      const y = HEIGHT - (values[at] / top) * (HEIGHT - 2)
      return `${this.#xOf(time).toFixed(1)} ${y.toFixed(1)}`
    })
    return `M${corners.join('L')}`
  }

  #xOf(time) {
    return WIDTH * (1 - (this.#until - time) / WINDOW_MS)
  }

  #timeAt(share) {
    return this.#until - WINDOW_MS * (1 - share)
  }

  #nearest(time) {
    return this.#points.reduce((one, other) =>
      Math.abs(other.time - time) < Math.abs(one.time - time) ? other : one,
    )
  }
}

function svg(name, attributes) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  return element
}
