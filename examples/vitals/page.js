// The dashboard: four topics on one stream. `earliest` hands out what the hub has kept of them, then what comes.

import { connect } from 'millrace/client'
import { showStatus } from '/support/banner.js'
import { Panel } from '/panel.js'

const percent = share => `${(100 * share).toFixed(1)} %`
const gibibytes = bytes => `${(bytes / 2 ** 30).toFixed(1)} GiB`

const panels = {
  'vitals/cpu': new Panel({
    title: 'Processors',
    series: [
      { name: 'busy', of: ({ user, system }) => user + system },
      { name: 'system', of: ({ system }) => system },
    ],
    format: percent,
    least: 1,
  }),
  'vitals/memory': new Panel({
    title: 'Memory',
    series: [
      { name: 'used', of: ({ usedBytes }) => usedBytes },
      { name: 'of', of: ({ totalBytes }) => totalBytes },
    ],
    format: gibibytes,
    least: ({ totalBytes }) => totalBytes,
  }),
  'vitals/load': new Panel({
    title: 'Load',
    series: [
      { name: '1 minute', of: load => load['1m'] },
      { name: '15 minutes', of: load => load['15m'] },
    ],
    format: load => load.toFixed(2),
    least: ({ cpus }) => cpus,
  }),
  'vitals/hub': new Panel({
    title: 'The hub’s event loop',
    series: [{ name: 'busy', of: ({ utilization }) => utilization }],
    format: percent,
    least: 0.1,
  }),
}

const all = Object.values(panels)
const when = document.getElementById('when')
let newest = 0
let pointed
let isDue = false

document.getElementById('panels').append(...all.map(({ box }) => box))
for (const panel of all) panel.onPoint = time => ((pointed = time), draw())

const hub = connect('/hub')
showStatus(hub)
hub.subscribe(
  Object.keys(panels),
  ({ topic, time, data }) => {
    newest = Date.parse(time)
    panels[topic].add(newest, data)
    draw()
  },
  {
    after: 'earliest',
    // The hub began anew, and so does the page.
    onGap: () => all.forEach(panel => panel.clear()),
  },
)

/** Once a frame, however many events came. */
function draw() {
  if (isDue) return
  isDue = true
  requestAnimationFrame(() => {
    isDue = false
    for (const panel of all) panel.draw(newest, pointed)
    const time = new Date(pointed ?? newest).toLocaleTimeString()
    when.textContent = pointed === undefined ? `Now, ${time}` : `At ${time}`
  })
}
