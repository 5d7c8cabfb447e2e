// A TCP relay in front of a hub that can freeze: both ends stay connected, and nothing gets through any more.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { TestHub } from './hub.ts'

export interface Relay {
  /** The hub, as seen through the relay. */
  readonly hub: TestHub
  freeze(): void
}

export async function startRelay(t: Test, hub: TestHub): Promise<Relay> {
  const sockets: Socket[] = []
  const port = Number(new URL(hub.url).port)
  const server = createServer(client => {
    const upstream = connect({ port, host: 'localhost' })
    sockets.push(client, upstream)
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.pipe(upstream)
    upstream.pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  return {
    hub: { ...hub, url },
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause()
    },
  }
}
