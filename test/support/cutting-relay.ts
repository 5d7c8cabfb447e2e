// A TCP relay between clients and a hub: it counts connections, and cuts them as networks do, without a goodbye.

import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import type { TestHub } from './hub.ts'

export interface CuttingRelayOptions {
  /** Cuts each connection once the hub has sent so many bytes on it, wherever that is. */
  readonly cutAfterBytes?: () => number
}

export class CuttingRelay<H extends Pick<TestHub, 'url'> = TestHub> {
  /** Where the connections go; another hub in its place is what a restart looks like from outside. */
  hub: H
  /** How many connections were taken in all. */
  taken = 0
  #isDown = false
  readonly #server: Server
  readonly #open = new Set<Socket>()
  readonly #cutAfterBytes: () => number

  static async open<H extends Pick<TestHub, 'url'>>(
    t: Test,
    hub: H,
    options: CuttingRelayOptions = {},
  ): Promise<CuttingRelay<H>> {
    const relay = new CuttingRelay(hub, options)
    relay.#server.listen(0, '127.0.0.1')
    await once(relay.#server, 'listening')
    t.teardown(async () => {
      const closed = once(relay.#server, 'close')
      relay.#server.close()
      relay.cut()
      await closed
    })
    return relay
  }

  private constructor(hub: H, { cutAfterBytes = () => Infinity }: CuttingRelayOptions) {
    this.hub = hub
    this.#cutAfterBytes = cutAfterBytes
    this.#server = createServer({ pauseOnConnect: true }, socket => this.#carry(socket))
  }

  /** The hub's address by way of the relay. */
  get url(): string {
    const url = new URL(this.hub.url)
    url.port = String((this.#server.address() as AddressInfo).port)
    return url.origin
  }

  /** Cuts what is open; new connections are taken. */
  cut(): void {
    for (const socket of this.#open) socket.resetAndDestroy()
  }

  /** Cuts what is open, and whatever comes. */
  goDown(): void {
    this.#isDown = true
    this.cut()
  }

  comeBack(): void {
    this.#isDown = false
  }

  #carry(client: Socket): void {
    client.on('error', () => {})
    if (this.#isDown) return void client.resetAndDestroy()
    this.taken++
    this.#open.add(client)
    const upstream = connect(Number(new URL(this.hub.url).port), '127.0.0.1').on('error', () => {})
    client.once('close', () => {
      this.#open.delete(client)
      upstream.destroy()
    })
    upstream.once('close', () => client.destroySoon())
    client.pipe(upstream)
    sendUntilCut(upstream, client, this.#cutAfterBytes())
  }
}

function sendUntilCut(from: Socket, to: Socket, bytes: number): void {
  let left = bytes
  from.on('data', (chunk: Buffer) => {
    if (left === 0) return
    const part = chunk.subarray(0, Math.min(left, chunk.length))
    left -= part.length
    // What came before the cut does arrive: a reset would throw it away.
    if (left === 0) to.end(part, () => to.destroy())
    else if (!to.write(part)) {
      from.pause()
      to.once('drain', () => from.resume())
    }
  })
}
