// CPU profiles as pictures: who is inside whom, and how wide.

import t from 'tap'
import type { Profile } from '../../bench/support/cpu-profile.ts'
import { flameGraph } from '../../bench/support/flame-graph.ts'

const frame = (functionName: string, url = ''): Profile['nodes'][number]['callFrame'] => ({
  functionName,
  url,
  lineNumber: 9,
})

// (root) calls write, which calls send (ours and a package's) and the collector.
const profile: Profile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 5, 6] },
    { id: 2, callFrame: frame('write', 'file:///hub/src/hub/hub.ts'), children: [3, 4] },
    { id: 3, callFrame: frame('send<a>', 'file:///hub/node_modules/x/send.js') },
    { id: 4, callFrame: frame('(garbage collector)') },
    { id: 5, callFrame: frame('(idle)') },
    { id: 6, callFrame: frame('early', 'node:net') },
  ],
  startTime: 1000,
  // The first sample is before the time that is drawn.
  samples: [6, 2, 3, 3, 5, 4],
  timeDeltas: [50, 100, 100, 100, 5000, 100],
}
const svg = flameGraph(profile, { title: 'T', subtitle: 'S', from: 1100, through: 10_000 })
const boxes = new Map(
  [
    ...svg.matchAll(
      /<title>([^<]+): ([\d.]+)%<\/title><rect class="(\w+)" x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g,
    ),
  ].map(([, name, share, kind, x, y, width]) => [
    name!,
    { share: Number(share), kind, x: Number(x), y: Number(y), width: Number(width) },
  ]),
)

t.test('a box is as wide as its share of the time that is drawn, without what was idle', async t => {
  t.same([...boxes.keys()], ['all', 'write hub.ts:10', 'send&lt;a> send.js:10', '(garbage collector)'])
  t.equal(boxes.get('all')!.width, 840)
  t.match(boxes.get('write hub.ts:10'), { share: 100, width: 840 })
  t.match(boxes.get('send&lt;a> send.js:10'), { share: 50, width: 420 })
  t.match(boxes.get('(garbage collector)'), { share: 25, width: 210 })
})

t.test('what was called is below and within who called it, the widest first', async t => {
  const [write, send, collector] = ['write hub.ts:10', 'send&lt;a> send.js:10', '(garbage collector)'].map(
    name => boxes.get(name)!,
  )
  t.ok(send!.y > write!.y && collector!.y === send!.y)
  t.equal(send!.x, write!.x)
  t.equal(collector!.x, send!.x + send!.width)
})

t.test('colours tell whose code it is, and the description how the time divides', async t => {
  t.same(
    [...boxes.values()].map(({ kind }) => kind),
    ['native', 'ours', 'library', 'garbage'],
  )
  t.match(
    svg,
    /<desc[^>]*>Fastify and other packages 50%, Millrace 25%, garbage collection 25%, native code 0%\.<\/desc>/,
  )
})
