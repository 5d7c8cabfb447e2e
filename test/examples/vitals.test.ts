// The machine's own vitals: piped through `millrace publish` while they are made, and shown by the dashboard.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import type { Vitals } from '../../examples/vitals/measure.ts'
import { needsBrowser, openBrowser } from '../support/browser.ts'
import { EventReader } from '../support/event-reader.ts'
import { startHub } from '../support/hub.ts'
import { openExample, startExample } from '../support/example.ts'
import { spawnCommand } from '../support/hub-process.ts'

const example = new URL('../../examples/vitals/print.ts', import.meta.url).pathname

t.test('vitals arrive as they are measured', async t => {
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
    t.ok(data.load['1m'] >= 0 && data.memory.usedBytes > 0 && data.cpu.user <= 1)
  }
  t.equal(vitals.exitCode, null, 'they were not held back until the end')
  reader.close()
  vitals.kill()
  t.same(await once(publisher, 'exit'), [0, null], 'what was measured last is published as well')
})

t.test('the dashboard moves, and has what was before after a reload', needsBrowser, async t => {
  const { url } = await startExample(t, 'vitals')
  const browser = await openBrowser(t)
  for (const width of [1100, 375]) {
    const { page, complaints } = await openExample(t, browser, url, width)
    const line = page.locator('section').first().locator('.line.first')
    const corners = async (): Promise<number> => ((await line.getAttribute('d')) ?? '').split('L').length
    const until = async (count: number): Promise<void> => {
      while ((await corners()) < count) await page.waitForTimeout(50)
    }
    await until(2)
    const before = await page.locator('#when').textContent()
    const count = await corners()
    await until(count + 2)
    t.not(await page.locator('#when').textContent(), before, 'time goes by')
    for (const value of await page.locator('.value').allTextContents()) t.match(value, /^\d+(\.\d+)?/)
    await page.reload()
    await page.locator('.value').first().filter({ hasText: /\d/ }).waitFor()
    t.ok((await corners()) >= count + 2, 'history is there at once')
    t.same(complaints, [])
  }
})
