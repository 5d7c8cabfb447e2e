// A TCP relay in front of a hub that can freeze: both ends stay connected, and nothing gets through until it thaws. Or a slow
// link: what the hub sends takes its time.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { Transform } from 'node:stream'
import type { Test } from 'tap'
import type { Reachable } from './hub.ts'

export interface Relay<H extends Reachable> {
  /** The hub, as seen through the relay. */
  readonly hub: H
  freeze(): void
  thaw(): void
}

export async function startRelay<H extends Reachable>(t: Test, hub: H): Promise<Relay<H>> {
  const pairs: [Socket, Socket][] = []
  const port = Number(new URL(hub.url).port)
  const server = createServer(client => {
    const upstream = connect({ port, host: 'localhost' })
    pairs.push([client, upstream])
    for (const socket of [client, upstream]) socket.on('error', () => {})
    connectBoth(client, upstream)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of pairs.flat()) socket.destroy()
    server.close()
  })
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  return {
    hub: { ...hub, url },
    freeze: () => {
      for (const socket of pairs.flat()) socket.unpipe().pause()
    },
    thaw: () => {
      for (const [client, upstream] of pairs) connectBoth(client, upstream)
    },
  }
}

/** Its address, and what the hub sends over it comes at this rate. */
export async function startSlowLink(t: Test, hub: Reachable, bytesPerSecond: number): Promise<string> {
  const port = Number(new URL(hub.url).port)
  const sockets: Socket[] = []
  const server = createServer(client => {
    const upstream = connect({ port, host: 'localhost' })
    sockets.push(client, upstream)
    for (const socket of [client, upstream]) socket.on('error', () => {})
    client.pipe(upstream)
    upstream.pipe(throttle(bytesPerSecond)).pipe(client)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

function throttle(bytesPerSecond: number): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      setTimeout(() => done(null, chunk), (chunk.length / bytesPerSecond) * 1000)
    },
  })
}

function connectBoth(client: Socket, upstream: Socket): void {
  client.pipe(upstream)
  upstream.pipe(client)
}
