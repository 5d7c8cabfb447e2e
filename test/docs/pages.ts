// What the snippets of each page take for granted: a new page with snippets needs a line here only if they do.

import { grantOfClaims } from '../../src/auth/claims.ts'
import { readJwtKeys } from '../../src/auth/jwt-keys.ts'
import { loadConfig } from '../../src/config/load.ts'

export interface Feed {
  readonly path: string
  readonly body: string
  readonly type?: string
}

export interface PageSetup {
  /** Commands that are run before the first snippet. */
  readonly before?: string
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  /** What is published all the while, so that whoever subscribes gets something. */
  readonly feeds?: readonly Feed[]
  /** What runs scripts. Default: a browser. */
  readonly scripts?: 'browser' | 'node'
  /** Scripts that the page's own need, before them and after them; `$NAME` is a variable of the shell. */
  readonly scriptBefore?: string
  readonly scriptAfter?: string
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

export const PAGES: Readonly<Record<string, PageSetup>> = {
  'README.md': {
    files: { 'app.log': 'one line\nanother line\n' },
    feeds: [event('hello'), event('orders/42'), event('logs/app')],
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
  'docs/guide/from-mercure.md': {
    env: { MILLRACE_JWT_KEY: '!ChangeThisMercureHubJWTSecretKey!' },
    // The old hub.
    before: 'millrace serve --port 9444',
    feeds: [update('https://example.com/books/1')],
    checkJson: text => void readJwtKeys(text, []),
  },
  'docs/guide/production.md': {
    checkJson: (_text, file) => void loadConfig({ flags: { config: file }, env: { MILLRACE_JWT_KEY: KEY } }),
  },
}
