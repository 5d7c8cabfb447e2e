// A hub behind HAProxy, configured by deploy/haproxy.cfg.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { needsProxy, type Proxy } from '../support/deployed.ts'
import { worksBehind } from './behind-proxy.ts'

const haproxy: Proxy = {
  file: 'haproxy.cfg',
  // It is in no user's PATH.
  program: '/usr/sbin/haproxy',
  changes: ({ port, hubPort, directory, timeoutSeconds = 60, isImpatient }) => [
    ['maxconn 20000', 'maxconn 100'],
    ['bind :443', `bind 127.0.0.1:${port}`],
    ['/etc/haproxy/hub.example.org.pem', join(directory, 'pair.pem')],
    ['timeout server 60s', `timeout server ${timeoutSeconds}s`],
    ['server hub 127.0.0.1:9080\n\n', `server hub 127.0.0.1:${hubPort}\n\n`],
    ['server hub 127.0.0.1:9080', `server hub 127.0.0.1:${hubPort}`],
    ...(isImpatient === true ? ([['retries 15\n  #', 'retries 0\n  #']] as const) : []),
  ],
  args(text, { directory }) {
    const file = join(directory, 'haproxy.cfg')
    writeFileSync(file, text)
    return ['-f', file, '-db']
  },
}

t.test('behind HAProxy', needsProxy(haproxy), async t => worksBehind(t, haproxy))
