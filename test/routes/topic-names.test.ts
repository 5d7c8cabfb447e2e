// Topic names in paths: decoded once, taken whole, and refused when they could not be named again.

import t from 'tap'
import { Http2Client } from '../support/http2-client.ts'
import { startHub } from '../support/hub.ts'
import { expectProblem } from '../support/problem.ts'

t.test('a topic is the rest of the path, decoded once', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  for (const [path, topic] of [
    ['a/b/c', 'a/b/c'],
    ['a%2Fb%2fc', 'a/b/c'],
    ['a//b', 'a//b'],
    ['%F0%9F%8C%8A/gr%C3%BC%C3%9Fe', '🌊/grüße'],
    ['a%20b+c', 'a b+c'],
    ['100%25', '100%'],
    ['%2525', '%25'],
    ['%252F', '%2F'],
    ['what%3F%23', 'what?#'],
    ["a;b=1,c:d@e!$&'()", "a;b=1,c:d@e!$&'()"],
    ['...', '...'],
    ['.hidden', '.hidden'],
    ['https://example.org/books/1', 'https://example.org/books/1'],
    ['x'.repeat(256), 'x'.repeat(256)],
    ['%C3%BC'.repeat(128), 'ü'.repeat(128)],
  ] as const) {
    const answer = await client.post(`/topics/${path}?type=t`, 'x')
    t.equal(answer.status, 201, path)
    t.equal((JSON.parse(answer.text) as { topic: string }).topic, topic)
    t.match(JSON.parse((await client.get(`/topics/${path}`)).text), { topic, events: [{ topic }] })
  }
})

t.test('a name that breaks the rules is refused by every method', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  for (const path of [
    '',
    '/',
    '/a',
    'a/',
    '%2Fa',
    'a%2F',
    '.',
    '..',
    'a/../b',
    '%2e%2e',
    'a/%2E/b',
    '*',
    'a/*',
    'a/**',
    'a%2Ab',
    '%00',
    'a%0Ab',
    'a%0D%0Aset-cookie:x',
    '%7F',
    '%C2%85',
    '%E2%80%A8',
    'x'.repeat(257),
    '%C3%BC'.repeat(129),
    'x'.repeat(5000),
  ]) {
    for (const method of ['POST', 'PUT', 'GET', 'DELETE']) {
      const answer = await client.post(`/topics/${path}`, '', { ':method': method })
      const { detail } = await expectProblem(t, answer, 'MILLRACE_TOPIC_INVALID')
      t.ok(detail.length < 300)
    }
    t.equal((await client.get(`/topics/${path}`, { ':method': 'HEAD' })).status, 400)
  }
  t.same(JSON.parse((await client.get('/topics')).text), { topics: [] })
})

t.test('a path that cannot be decoded is refused as such', async t => {
  const hub = await startHub(t)
  const client = new Http2Client(t, hub)
  for (const path of ['%', '%zz', 'a%F', '%FF', '%C3', '%ED%A0%80', '%C0%AF']) {
    await expectProblem(t, await client.post(`/topics/${path}`, 'x'), 'MILLRACE_REQUEST_INVALID')
    await expectProblem(t, await client.get(`/topics/${path}`), 'MILLRACE_REQUEST_INVALID')
  }
})
