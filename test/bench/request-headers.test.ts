// The headers that benchmarks have their requests bring, and the tokens in them.

import { writeFileSync } from 'node:fs'
import { sensitiveHeaders } from 'node:http2'
import { join } from 'node:path'
import t from 'tap'
import { headersOf } from '../../bench/load/request-headers.ts'
import { asBallast, newSecret, tokenHeaders } from '../../bench/support/request-tokens.ts'
import { startHub } from '../support/hub.ts'

t.test('the sets of a file take turns, and are sent as tokens are', async t => {
  const headersFile = join(t.testdir(), 'headers.json')
  writeFileSync(headersFile, JSON.stringify([{ authorization: 'one' }, { authorization: 'two' }]))
  const next = headersOf({ headersFile })
  const seen = [next(), next(), next()]
  t.same(
    seen.map(({ authorization }) => authorization),
    ['one', 'two', 'one'],
  )
  t.same(Reflect.get(seen[0]!, sensitiveHeaders), ['authorization'])
  t.same(headersOf({})(), {})
})

t.test('each token is another one, and the hub with the secret takes it where it is good', async t => {
  const secret = newSecret()
  const sets = await tokenHeaders(secret, 'bench/**', 3)
  t.equal(new Set(sets.map(({ authorization }) => authorization)).size, 3)
  const closed = { anonymousPublish: [], anonymousReceive: [] }
  const hub = await startHub(t, { ...closed, jwtKey: secret })
  for (const headers of sets) await hub.publish('bench/tokens', 'x', { ...headers })
  await t.rejects(hub.publish('elsewhere', 'x', { ...sets[0] }), /403/)
  await t.rejects(hub.publish('bench/tokens', 'x', { ...asBallast(sets)[0] }), /401/)
})

t.test('ballast is as long as the token that it stands for', async t => {
  const sets = await tokenHeaders(newSecret(), 'bench/**', 2)
  t.same(
    asBallast(sets).map(set => Object.values(set)),
    sets.map(set => Object.values(set)),
  )
  const [[token], [ballast]] = [Object.keys(sets[0]!), Object.keys(asBallast(sets)[0]!)]
  t.equal(ballast!.length, token!.length)
})
