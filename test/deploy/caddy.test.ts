// A hub behind Caddy, configured by deploy/Caddyfile.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { needsProxy, type Proxy } from '../support/deployed.ts'
import { worksBehind } from './behind-proxy.ts'

const caddy: Proxy = {
  file: 'Caddyfile',
  program: '/usr/bin/caddy',
  changes: ({ port, hubPort, directory, timeoutSeconds = 60, isImpatient }) => [
    ['grace_period 10s', `grace_period 10s\n\tadmin off\n\tauto_https disable_redirects`],
    [
      'hub.example.org {',
      `https://localhost:${port} {\n\tbind 127.0.0.1\n\ttls ${directory}/cert.pem ${directory}/key.pem`,
    ],
    [
      '127.0.0.1:9080 {',
      `127.0.0.1:${hubPort} {\n\t\ttransport http {\n\t\t\tread_timeout ${timeoutSeconds}s\n\t\t}`,
    ],
    ...(isImpatient === true ? ([['lb_try_duration 15s', 'lb_try_duration 0s']] as const) : []),
  ],
  args(text, { directory }) {
    const file = join(directory, 'Caddyfile')
    writeFileSync(file, text)
    return ['run', '--config', file, '--adapter', 'caddyfile']
  },
}

t.test('behind Caddy', needsProxy(caddy), async t => worksBehind(t, caddy))
