// A process with workers takes signals as one without: it drains and ends, and reads certificates again.

import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { startHubProcess, type HubProcess } from '../support/hub-process.ts'
import { Http2Client } from '../support/http2-client.ts'

t.setTimeout(60_000)

const DRAIN_MS = 400
// The drain, a grace for what is left, and time for the processes on a busy machine.
const MOST_MS = DRAIN_MS + 500 + 2000

// So many connections come to both workers, but for one time in a billion.
const CONNECTIONS = 30

t.test('SIGTERM and SIGINT end the streams of all workers in time, and then the process, with 0', async t => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const { hub, child } = await start(t, [`--drain-ms=${DRAIN_MS}`])
    const streams = await Promise.all(
      Array.from({ length: CONNECTIONS }, () => new Http2Client(t, hub).listen('/topics/a')),
    )
    const goodbyes = streams.map(async stream => {
      let text = ''
      for await (const chunk of stream.setEncoding('utf8')) text += String(chunk)
      return text.includes('millrace:bye')
    })
    const startedAt = performance.now()
    child.kill(signal)
    const [code] = (await once(child, 'exit')) as [number | null]
    const tookMs = performance.now() - startedAt
    t.equal(code, 0)
    t.ok(tookMs < MOST_MS, `${tookMs.toFixed()} ms`)
    t.ok((await Promise.all(goodbyes)).every(Boolean), 'each with a goodbye')
  }
})

t.test('SIGHUP puts a renewed certificate into service on all workers', async t => {
  const { hub, caFile, child } = await start(t)
  const kept = await new Http2Client(t, hub).listen('/topics/a')
  const [before] = await serials(hub.url, 1)
  rmSync(join(dirname(caFile), 'cert.pem'))
  const reloaded = says(child, 'certificate was reloaded')
  child.kill('SIGHUP')
  await reloaded
  // The workers have it a moment later.
  let all: (string | undefined)[]
  do all = await serials(hub.url, CONNECTIONS)
  while (all.includes(before))
  t.equal(new Set(all).size, 1, 'the same on all')
  t.notOk(kept.closed, 'streams go on')
})

async function start(
  t: Test,
  flags: readonly string[] = [],
): Promise<HubProcess & { hub: { url: string; ca: string } }> {
  const started = await startHubProcess(t, ['--workers=2', ...flags])
  return { ...started, hub: { url: started.url, ca: readFileSync(started.caFile, 'utf8') } }
}

async function says(child: HubProcess['child'], wanted: string): Promise<void> {
  for await (const text of child.stdout!) if (String(text).includes(wanted)) return
}

/** Of the certificates that new connections are shown. */
function serials(url: string, count: number): Promise<(string | undefined)[]> {
  const port = Number(new URL(url).port)
  return Promise.all(
    Array.from({ length: count }, async () => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
      await once(socket, 'secureConnect')
      const { serialNumber } = socket.getPeerCertificate()
      socket.destroy()
      return serialNumber
    }),
  )
}
