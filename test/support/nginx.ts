// nginx as a proxy in front of a hub: TLS on both sides, HTTP/2 and HTTP/1.1 to clients.

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { Agent } from 'undici'
import { accepts, start } from './commands.ts'
import { freePort } from './hub-process.ts'
import { reach, type Reachable, type TestHub } from './hub.ts'

// It is in no user's PATH.
const program = '/usr/sbin/nginx'

export const needsNginx: { skip?: string } =
  existsSync(program) || process.env['CI'] !== undefined ? {} : { skip: `${program} does not exist` }

/**
 * The hub as clients see it through nginx. `/unpacked` in front of a path: nginx takes gzip, and undoes it. `directives` stand
 * with those that hand requests on; without them it shows nothing of itself.
 */
export async function startNginx(
  t: Test,
  hub: TestHub,
  directives = '',
): Promise<Reachable & { agent: Agent }> {
  const port = await freePort()
  const directory = t.testdir({ 'nginx.conf': configuration(port, hub, directives) })
  const child = start(t, program, ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr'])
  let complaints = ''
  child.stderr!.on('data', text => (complaints += text))
  while (!(await accepts(port))) {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${complaints}`)
    await sleep(20)
  }
  const agent = new Agent({ connect: { ca: hub.ca }, allowH2: true })
  t.teardown(() => agent.destroy())
  return { ...reach(`https://localhost:${port}`, hub.ca, agent), agent }
}

function configuration(port: number, hub: TestHub, directives: string): string {
  const certs = dirname(hub.caFile)
  const proxy = `proxy_pass ${hub.url}; proxy_http_version 1.1; proxy_set_header connection ''; ${directives}`
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
    daemon off;
    master_process off;
    pid nginx.pid;
    error_log stderr warn;
    events {}
    http {
      access_log off;
      ${temporary.map(name => `${name}_temp_path ${name};`).join(' ')}
      client_max_body_size 0;
      server {
        listen 127.0.0.1:${port} ssl http2;
        ssl_certificate ${join(certs, 'cert.pem')};
        ssl_certificate_key ${join(certs, 'key.pem')};
        location / { ${proxy} }
        location /unpacked/ {
          rewrite ^/unpacked(/.*) $1 break;
          gunzip on;
          proxy_set_header accept-encoding gzip;
          ${proxy}
        }
      }
    }
  `
}
