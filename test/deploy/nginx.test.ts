// A hub behind nginx, configured by deploy/nginx.conf.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { needsProxy, type Proxy } from '../support/deployed.ts'
import { worksBehind } from './behind-proxy.ts'

const nginx: Proxy = {
  file: 'nginx.conf',
  // It is in no user's PATH.
  program: '/usr/sbin/nginx',
  changes: ({ port, hubPort, directory, timeoutSeconds = 60 }) => [
    ['  server 127.0.0.1:9080;', `  server 127.0.0.1:${hubPort};`],
    ['listen 443 ssl http2;', `listen 127.0.0.1:${port} ssl http2;`],
    ['server_name hub.example.org;', 'server_name localhost;'],
    ['/etc/letsencrypt/live/hub.example.org/fullchain.pem', join(directory, 'cert.pem')],
    ['/etc/letsencrypt/live/hub.example.org/privkey.pem', join(directory, 'key.pem')],
    ['proxy_read_timeout 60s;', `proxy_read_timeout ${timeoutSeconds}s;`],
  ],
  args(text, { directory }) {
    writeFileSync(join(directory, 'millrace.conf'), text)
    writeFileSync(join(directory, 'nginx.conf'), around(join(directory, 'millrace.conf')))
    return ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr']
  },
}

/** What Debian's nginx.conf does with what is in conf.d. */
function around(file: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
    daemon off;
    master_process off;
    pid nginx.pid;
    error_log stderr warn;
    events {}
    http {
      access_log off;
      gzip on;
      ${temporary.map(name => `${name}_temp_path ${name};`).join(' ')}
      include ${file};
    }
  `
}

t.test('behind nginx', needsProxy(nginx), async t => worksBehind(t, nginx))
