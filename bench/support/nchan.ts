// Starts nginx with the nchan module as Debian packs them (nginx, libnginx-mod-nchan): a contender written in C.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort, pinned, startCommand, type ServerProcess } from './server-process.ts'

const POLL_MS = 10
const MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so'

export function hasNchan(): boolean {
  return existsSync(MODULE) && spawnSync('nginx', ['-v']).status === 0
}

/** One worker, on the first core; the same certificate, and the same path for POST and GET as the hub. */
export async function startNchan(certsDir: string): Promise<ServerProcess> {
  const port = await freePort()
  const directory = await mkdtemp(join(tmpdir(), 'millrace-nchan-'))
  // The worker may run as another user than the one who starts it.
  await chmod(directory, 0o755)
  await writeFile(join(directory, 'nginx.conf'), configuration(port, certsDir))
  const command = pinned('0', ['nginx', ['-p', directory, '-c', 'nginx.conf', '-e', 'error.log']])
  const server = await startCommand(command, port)
  const stop = async (): Promise<void> => {
    await server.stop()
    await rm(directory, { recursive: true, force: true })
  }
  return { ...server, pid: await workerOf(server.pid), stop }
}

// The master, which only waits for signals, listens before it has a worker.
async function workerOf(master: number): Promise<number> {
  for (;;) {
    const [worker] = (await readFile(`/proc/${master}/task/${master}/children`, 'utf8')).split(' ')
    if (Number(worker) > 0) return Number(worker)
    await sleep(POLL_MS)
  }
}

// Its defaults, with limits out of the way: no access log, and as much time and as many streams as are asked for.
function configuration(port: number, certsDir: string): string {
  return `daemon off;
worker_processes 1;
worker_rlimit_nofile 20000;
pid nginx.pid;
error_log error.log warn;
load_module ${MODULE};
events { worker_connections 16000; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_body_buffer_size 64k;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  send_timeout 1h;
  http2_max_concurrent_streams 20000;
  http2_recv_timeout 1h;
  http2_idle_timeout 1h;
  nchan_shared_memory_size 512m;
  nchan_message_buffer_length 1000;
  nchan_message_timeout 1h;
  server {
    listen 127.0.0.1:${port} ssl http2 backlog=4096;
    ssl_certificate ${join(certsDir, 'cert.pem')};
    ssl_certificate_key ${join(certsDir, 'key.pem')};
    ssl_protocols TLSv1.3;
    location ~ ^/topics/(.+)$ {
      nchan_publisher http;
      nchan_subscriber eventsource;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
      nchan_eventsource_ping_interval 0;
    }
  }
}
`
}
