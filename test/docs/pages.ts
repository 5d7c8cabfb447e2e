// What the snippets of each page take for granted: a new page with snippets needs a line here only if they do.

import { grantOfClaims } from '../../src/auth/claims.ts'
import { readJwtKeys } from '../../src/auth/jwt-keys.ts'
import { loadConfig } from '../../src/config/load.ts'

export interface Feed {
  readonly path: string
  readonly body: string
  readonly type?: string
}

/** In a browser's console, in a module of a page that has `millrace/client`, or in Node. */
export type ScriptKind = 'console' | 'client' | 'node'

export interface ModuleSetup {
  /** A module that is imported first: what it hands on are globals. */
  readonly before?: string
  /** Behind the snippet, in the same module. */
  readonly after?: (snippet: string) => string
}

export interface PageSetup {
  /** Commands that are run before the first snippet. */
  readonly before?: string
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  /** What is published all the while, so that whoever subscribes gets something. */
  readonly feeds?: readonly Feed[]
  /** What runs scripts that do not say so by what they import. Default: a browser's console. */
  readonly scripts?: ScriptKind
  /** Scripts that the page's own need, before them and after them; `$NAME` is a variable of the shell. */
  readonly scriptBefore?: string
  readonly scriptAfter?: string
  /** The page of the console. Default: one of the hub. */
  readonly home?: string
  /** What modules of this kind take for granted, and what shows that they have done what they say. */
  readonly modules?: Readonly<Partial<Record<ScriptKind, ModuleSetup>>>
  /** Pages of the origin that modules of the client come from, by path. */
  readonly served?: Readonly<Record<string, string>>
  /** Throws if JSON of the page is not what it should be, `file` being one with that text. */
  readonly checkJson?: (text: string, file: string) => void
}

const KEY = 'the key of the snippets, of 32 bytes or more'

const event = (topic: string, body = 'an event'): Feed => ({ path: `/topics/${topic}`, body })

const update = (topic: string): Feed => ({
  path: '/.well-known/mercure',
  body: new URLSearchParams({ topic, data: 'an update' }).toString(),
  type: 'application/x-www-form-urlencoded',
})

/** What readers of the client's page have in their own program. */
const CLIENT_NAMES = `
  import { connect } from 'millrace/client'
  globalThis.calls = new Map()
  for (const name of ['onEvent', 'show', 'warn', 'render', 'reload', 'work']) {
    globalThis[name] = () => void calls.set(name, (calls.get(name) ?? 0) + 1)
  }
  const working = new AbortController()
  const count = work
  globalThis.work = async () => { count(); working.abort() }
  const url = 'https://hub.example.org'
  const hub = connect(url)
  const { id } = await hub.publish('log', 'an event')
  Object.assign(globalThis, { connect, url, hub, id, lastId: id, signal: working.signal })`

/** The connection works, and whatever handlers the snippet has are called, but those for what does not happen here. */
function namesCalled(snippet: string): string {
  const used = ['onEvent', 'show', 'render', 'work'].filter(name => new RegExp(`\\b${name}\\b`).test(snippet))
  return `
    await new Promise(heard => hub.subscribe('orders/*', heard))
    while (!${JSON.stringify(used)}.every(name => calls.has(name))) await new Promise(next => setTimeout(next, 20))`
}

export const PAGES: Readonly<Record<string, PageSetup>> = {
  'README.md': {
    files: { 'app.log': 'one line\nanother line\n' },
    feeds: [event('hello'), event('orders/42'), event('logs/app')],
    modules: {
      client: { before: CLIENT_NAMES, after: namesCalled },
      node: {
        before: `
          import fastify from 'fastify'
          globalThis.app = fastify()
          app.addHook('onRequest', async request => { request.session = { user: { id: 7 } } })`,
        after: () => `
          const { statusCode, body } = await app.inject('/push/topics/users/7/orders')
          if (statusCode !== 200 || !body.includes('paid')) throw new Error(body)
          const { statusCode: others } = await app.inject('/push/topics/users/8/orders')
          if (others !== 403) throw new Error('what is of others is told')
          await app.close()`,
      },
    },
  },
  'docs/guide/first-event.md': {
    feeds: [event('greetings'), event('orders/42')],
    scripts: 'node',
  },
  'docs/guide/publishing.md': {
    before: 'millrace serve',
    files: {
      'readings.ndjson': '1\n2\n',
      'events.ndjson': '{"topic":"a","data":1}\n{"topic":"b","data":"two","type":"text"}\n',
    },
  },
  'docs/guide/receiving.md': {
    // Whoever asks for names brings a token.
    env: { MILLRACE_JWT_KEY: KEY },
    before: `
      millrace serve --anonymous-publish '**' --anonymous-receive '**'
      MILLRACE_TOKEN=$(millrace token mint --receive 'rooms/*' --presence 'rooms/*' --subject ann)
      # A feed that is open.
      accept='accept: text/event-stream'
      /usr/bin/curl -sN --cacert certs/ca.pem -H "$accept" 'https://localhost:9443/feed?topic=rooms/41' >feed 2>&1 &
      until FEED=$(grep -om1 '"feed":"[^"]*' feed | cut -d '"' -f 4) && [ -n "$FEED" ]; do sleep 0.05; done`,
    feeds: [event('orders/42'), event('orders/42?type=order'), event('rooms/42')],
  },
  'docs/guide/access.md': {
    feeds: [event('orders/42')],
    scriptBefore: `const token = '$MILLRACE_TOKEN'`,
    scriptAfter: `if (!(await renew('$MILLRACE_TOKEN'))) throw new Error('not renewed')`,
    checkJson: text => grantOfClaims({ claims: JSON.parse(text) as { exp: number } } as never, ''),
  },
  'docs/guide/client.md': {
    env: { MILLRACE_JWT_KEY: KEY },
    before: `
      millrace serve --anonymous-publish '**' --anonymous-receive '**'
      SNIPPET_TOKEN=$(millrace token mint --publish '**' --receive '**' --subject ann)`,
    feeds: ['orders/42', 'alerts/fire', 'jobs/1', 'log'].map(topic => event(topic)),
    scripts: 'client',
    modules: { client: { before: CLIENT_NAMES, after: namesCalled } },
    served: { '/hub-token': '$SNIPPET_TOKEN' },
  },
  'docs/guide/embedding.md': {
    home: 'http://localhost:3000/push/topics/news',
    modules: {
      node: {
        before: `
          globalThis.userOf = async () => ({ id: 7, name: 'ann', sessionEnds: new Date(Date.now() + 3_600_000) })
          let id = 0
          globalThis.save = async order => ({ ...order, id: ++id, userId: 7 })`,
        after: () => `
          setInterval(async () => {
            const { statusCode, body } = await app.inject({ method: 'POST', url: '/orders', payload: {} })
            if (statusCode !== 200) throw new Error(body)
          }, 100)`,
      },
    },
  },
  'docs/guide/from-mercure.md': {
    env: { MILLRACE_JWT_KEY: '!ChangeThisMercureHubJWTSecretKey!' },
    // The old hub.
    before: 'millrace serve --port 9444',
    feeds: [update('https://example.com/books/1')],
    checkJson: text => void readJwtKeys(text, []),
  },
  'docs/operations/inspector.md': {
    // The hub has no key, and whoever mints has.
    before: `
      millrace serve
      /usr/bin/curl -sN --cacert certs/ca.pem -H 'accept: text/event-stream' $MILLRACE_URL/topics/a >/dev/null 2>&1 &
      streams() { curl --cacert certs/ca.pem $MILLRACE_URL/inspector/api/streams; }
      until STREAM=$(streams | jq -er '.streams[0].feed'); do sleep 0.05; done
      MILLRACE_JWT_KEY='${KEY}'
      MILLRACE_TOKEN=$(millrace token mint --receive '**' --subject ann)`,
  },
  'docs/guide/production.md': {
    checkJson: (_text, file) => void loadConfig({ flags: { config: file }, env: { MILLRACE_JWT_KEY: KEY } }),
  },
}
