// JSON that is nested some thousand levels deep, which can be parsed but not printed again: in tokens and in bodies.

import { createHmac } from 'node:crypto'
import t from 'tap'
import type { Response } from 'undici'
import type { ErrorCode } from '../../src/errors.ts'
import type { TokenReport } from '../../src/protocol/inspector.ts'
import { EventReader } from '../support/event-reader.ts'
import { startHub, type Reachable } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'
import { bearer, mint, SECRET } from '../support/tokens.ts'
import { HUB } from './mercure/support.ts'

t.test('the inspector takes a token that is nested deep for one that it cannot read', async t => {
  const hub = await startHub(t, { jwtKey: SECRET })
  const admin = bearer(await mint({ admin: true }))
  const explain = async (body: string): Promise<TokenReport> => {
    const response = await hub.fetch('/inspector/api/token', { method: 'POST', body, headers: admin })
    t.equal(response.status, 200)
    return (await response.json()) as TokenReport
  }
  const deep = nested(18_000)
  for (const [isGood, token] of [
    [false, signed(`{"x":${deep}}`, 'another secret, of more than 32 bytes')],
    [false, signed(`{"millrace":${deep}}`)],
    [false, signed(`{"sub":"ann","iss":${deep}}`)],
    [true, signed(`{"x":${deep}}`)],
    [true, signed('{}', SECRET, `{"alg":"HS256","x":${deep}}`)],
  ] as const) {
    const report = await explain(token)
    t.match(report, { isGood, publish: [], receive: [] })
    t.same([report.header, report.claims], [undefined, undefined])
  }
  t.match(await explain(signed(`{"x":${nested(90)}}`)), { claims: { x: Array } }, 'as deep as one may like')
})

t.test('a header with a token that is nested deep is refused, or is no hindrance', async t => {
  const hub = await startHub(t, { jwtKey: SECRET })
  const statusFor = async (token: string, path = '/topics'): Promise<number> => {
    const { status, body } = await hub.fetch(path, { headers: bearer(token) })
    await body?.cancel()
    return status
  }
  t.equal(await statusFor(signed(`{"x":${nested(8000)}}`, 'another secret, of more than 32 bytes')), 401)
  for (const claim of ['millrace', 'exp', 'nbf']) {
    t.equal(await statusFor(signed(`{"${claim}":${nested(8000)}}`)), 401, claim)
  }
  t.equal(await statusFor(signed(`{"sub":"ann","iss":${nested(8000)}}`)), 401, 'iss')
  t.equal(await statusFor(signed(`{"x":${nested(8000)},"millrace":{"receive":["**"]}}`)), 200)
  const mercure = `${HUB}?topic=https://example.org/a`
  for (const payload of [nested(8000), `{"x":${nested(200)}}`]) {
    const claim = `{"mercure":{"subscribe":["*"],"payload":${payload}}}`
    t.equal(await statusFor(signed(claim), mercure), 401, 'the payload of a Mercure token')
  }
  const shallow = signed(`{"mercure":{"subscribe":["*"],"payload":{"x":${nested(90)}}}}`)
  t.equal(await statusFor(shallow, mercure), 200)
})

t.test('events that are nested deep are kept, and come back as they were', async t => {
  const hub = await startHub(t)
  const data = nested(20_000)
  const json = { 'content-type': 'application/json' }
  const lines = { 'content-type': 'application/x-ndjson' }
  const send = (path: string, body: string, headers: object, method = 'POST'): Promise<Response> =>
    hub.fetch(path, { method, body, headers: { ...headers } })
  const reader = await EventReader.open(hub, '/feed?topic=a')
  t.teardown(() => reader.close())
  await reader.next()
  t.equal((await send('/topics/a', data, json)).status, 201)
  t.equal((await send('/topics/a', data, json, 'PUT')).status, 201)
  t.equal((await send('/topics/a', `${data}\n`, lines)).status, 201)
  t.equal((await send('/events', `{"topic":"a","data":${data}}\n`, lines)).status, 201)
  for (let number = 0; number < 4; number++) t.ok((await reader.next())?.data.endsWith(`"data":${data}}`))
  const history = await (await hub.fetch('/topics/a?after=earliest')).text()
  t.equal(history.split(data).length, 5 + 1, 'the events and the state')
})

t.test('other bodies that are nested deep are refused', async t => {
  const hub = await startHub(t)
  const refused = async (code: ErrorCode, path: string, body: string, type: string, method = 'POST') =>
    expectProblem(t, await hub.fetch(path, { method, body, headers: { 'content-type': type } }), code)
  const deep = nested(100_000)
  const feed = await feedOf(hub)
  for (const body of [deep, `{"add":${deep}}`, `{"add":[${deep}]}`, `{"after":${deep}}`, `{"x":${deep}}`]) {
    await refused('MILLRACE_REQUEST_INVALID', `/feed/${feed}`, body, 'application/json', 'PATCH')
  }
  const unclosed = '['.repeat(500_000)
  await refused('MILLRACE_JSON_INVALID', `/feed/${feed}`, unclosed, 'application/json', 'PATCH')
  await refused('MILLRACE_JSON_INVALID', '/topics/a', unclosed, 'application/json')
  await refused('MILLRACE_JSON_INVALID', '/events', unclosed, 'application/x-ndjson')
  for (const line of [deep, `{"topic":${deep}}`, `{"topic":"a","data":1,"type":${deep}}`]) {
    await refused('MILLRACE_LINE_INVALID', '/events', line, 'application/x-ndjson')
  }
})

/** `[[[...]]]` */
function nested(levels: number): string {
  return '['.repeat(levels) + ']'.repeat(levels)
}

/** A JWT of texts: what makes tokens prints them, which is what cannot be done. */
function signed(claims: string, secret = SECRET, header = '{"alg":"HS256"}'): string {
  const text = `${base64url(header)}.${base64url(claims)}`
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}

async function feedOf(hub: Reachable): Promise<string> {
  const reader = await EventReader.open(hub, '/feed?topic=a')
  t.teardown(() => reader.close())
  return (JSON.parse((await reader.next())!.data) as { feed: string }).feed
}
