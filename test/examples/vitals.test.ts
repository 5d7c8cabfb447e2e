// The machine's own vitals, piped through `millrace publish` while they are made.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import t from 'tap'
import { EventReader } from '../support/event-reader.ts'
import { startHub } from '../support/hub.ts'
import { spawnCommand } from '../support/hub-process.ts'

const example = new URL('../../examples/vitals.ts', import.meta.url).pathname

t.test(
  'vitals arrive as they are measured',
  { skip: existsSync('/proc/loadavg') ? false : 'no /proc here' },
  async t => {
    const hub = await startHub(t)
    const reader = await EventReader.open(hub, '/feed?topic=vitals/*')
    await reader.take(1)
    const publisher = spawnCommand(t, ['publish', 'vitals/here', '--ndjson'], {
      ...process.env,
      MILLRACE_URL: hub.url,
      MILLRACE_CACERT: hub.caFile,
    })
    const vitals = spawn(process.execPath, [example, '60'], { stdio: ['ignore', 'pipe', 'inherit'] })
    t.teardown(() => vitals.kill())
    vitals.stdout.pipe(publisher.stdin!)
    for (let count = 0; count < 3; count++) {
      const [event] = await reader.take(1)
      const { topic, data } = JSON.parse(event!.data) as { topic: string; data: Vitals }
      t.equal(topic, 'vitals/here')
      t.ok(data.load['1m'] >= 0 && data.memoryKiB.MemTotal! > 0 && data.cpuTicks.idle! > 0)
    }
    t.equal(vitals.exitCode, null, 'they were not held back until the end')
    reader.close()
    vitals.kill()
    t.same(await once(publisher, 'exit'), [0, null], 'what was measured last is published as well')
  },
)

interface Vitals {
  readonly load: Record<'1m', number>
  readonly memoryKiB: Record<string, number>
  readonly cpuTicks: Record<string, number>
}
