// Clients behind a proxy: whose address counts, and what a client cannot claim about itself.

import t from 'tap'
import { trustedProxies } from '../../src/http/trusted-proxies.ts'
import { Http1Client, type Http1Answer } from '../support/http1-client.ts'
import { startHub, type TestHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'
import { SECRET } from '../support/tokens.ts'

const FROM_LOOPBACK = { trustProxy: ['127.0.0.0/8', '::1'] }

/** How often a client may publish before it is refused, at a rate of 2. */
async function publishAs(hub: TestHub, forwardedFor: string): Promise<number> {
  for (let count = 0; ; count++) {
    const headers = { 'x-forwarded-for': forwardedFor }
    const { status } = await hub.fetch('/topics/a', { method: 'POST', body: 'x', headers })
    if (status === 429) return count
    if (status !== 201 || count > 20) throw new Error(`publish ${count}: ${status}`)
  }
}

t.test('clients behind a trusted proxy have a rate each', async t => {
  const hub = await startHub(t, { ...FROM_LOOPBACK, maxPublishRate: 2 })
  t.ok((await publishAs(hub, '192.0.2.1')) >= 2)
  t.ok((await publishAs(hub, '192.0.2.2')) >= 2)
  t.ok((await publishAs(hub, '2001:db8::1')) >= 2)
})

t.test('a client is one, whatever its port, and whichever address of its network', async t => {
  const hub = await startHub(t, { ...FROM_LOOPBACK, maxPublishRate: 1 })
  t.ok((await publishAs(hub, '192.0.2.1:1000')) >= 1)
  t.equal(await publishAs(hub, '192.0.2.1:1001'), 0)
  t.ok((await publishAs(hub, '[2001:db8::1]:1000')) >= 1)
  t.equal(await publishAs(hub, '2001:db8::2'), 0)
  t.ok((await publishAs(hub, '2001:db8:0:1::1')) >= 1)
})

t.test(
  'what a client says of itself stands before what the proxy says of it, and does not count',
  async t => {
    const hub = await startHub(t, { ...FROM_LOOPBACK, maxPublishRate: 1 })
    t.ok((await publishAs(hub, '192.0.2.1')) >= 1)
    t.equal(await publishAs(hub, '198.51.100.7, 192.0.2.1'), 0)
    t.equal(await publishAs(hub, '198.51.100.8, 192.0.2.1, 127.0.0.3'), 0, 'proxies of proxies are skipped')
  },
)

t.test('without a word on proxies nobody is believed, and neither is who is not one', async t => {
  for (const trustProxy of [[], ['192.0.2.0/24']]) {
    const hub = await startHub(t, { trustProxy, maxPublishRate: 1, jwtKey: SECRET })
    t.ok((await publishAs(hub, '192.0.2.1')) >= 1)
    t.equal(await publishAs(hub, '192.0.2.2'), 0)
  }
})

t.test('maxConnectionsPerAddress does not count the connections of a trusted proxy', async t => {
  const statuses = async (trustProxy: readonly string[]): Promise<number[]> => {
    const hub = await startHub(t, { trustProxy, tls: false, maxConnectionsPerAddress: 2 })
    const answers: Http1Answer[] = []
    for (const _ of [1, 2, 3]) {
      const client = await Http1Client.connect(t, hub)
      client.send('GET /healthz')
      answers.push(await client.answer())
    }
    return answers.map(({ status }) => status)
  }
  t.same(await statuses(FROM_LOOPBACK.trustProxy), [200, 200, 200])
  t.same(await statuses([]), [200, 200, 429])
})

t.test('X-Forwarded-Host and X-Forwarded-Proto change nothing, trusted proxy or not', async t => {
  const hub = await startHub(t, FROM_LOOPBACK)
  const page = { origin: 'https://hub.example.org', 'x-forwarded-host': 'hub.example.org' }
  const foreign = await hub.fetch('/healthz', { headers: page })
  t.match(await foreign.json(), { code: 'MILLRACE_ORIGIN_FORBIDDEN' })
  const client = await Http1Client.connect(t, hub)
  client.socket.write('GET /healthz HTTP/1.1\r\nhost: foreign.test\r\nx-forwarded-host: localhost\r\n\r\n')
  await expectProblem(t, await client.answer(), 'MILLRACE_HOST_FORBIDDEN')
})

t.test('networks take in their addresses, in both spellings of IPv4', async t => {
  const isProxy = trustedProxies(['10.0.0.0/8', '192.0.2.7', '2001:db8::/32', '::1'])
  for (const address of ['10.255.0.1', '::ffff:10.1.2.3', '192.0.2.7', '2001:db8:9::1', '::1'])
    t.ok(isProxy(address), address)
  for (const address of [
    '11.0.0.1',
    '::ffff:11.0.0.1',
    '192.0.2.8',
    '2001:db9::1',
    '::2',
    'unknown',
    undefined,
  ])
    t.notOk(isProxy(address), String(address))
})
