// Event streams on one HTTP/2 connection, read from the TLS socket frame by frame: Node's own HTTP/2 client takes
// longer over a DATA frame than the servers under test do.

import { once } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http2'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { FLAG, FRAME, SETTING, frame, requestBlock, settings } from '../../test/support/raw-http2.ts'
import { CONNECTION_WINDOW, STREAM_WINDOW } from './event-connection.ts'
import type { ByteTaker, ConnectionEvents, EventConnection, Target } from './event-connection.ts'
import { FrameReader } from './frame-reader.ts'

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
const INITIAL_WINDOW = 65_535
const ENABLE_PUSH = 2
// One for all connections: whatever is read into it is taken before the next read.
const READ_BUFFER = Buffer.allocUnsafeSlow(64 * 1024)

interface Stream {
  readonly take: ByteTaker
  readonly opened: PromiseWithResolvers<void>
  isAnswered: boolean
  /** Bytes that came, and that the server was not yet told to replace. */
  owed: number
  isOpen: boolean
}

export class Http2Connection implements EventConnection {
  readonly #socket: TLSSocket
  readonly #streams: Stream[] = []
  readonly #reader = new FrameReader(this)
  readonly #streamWindow: number
  readonly #events: ConnectionEvents
  #owed = 0
  #isPaused = false

  static async open(target: Target, events: ConnectionEvents): Promise<Http2Connection> {
    const socket = connect({
      port: target.port,
      host: '127.0.0.1',
      ca: target.ca,
      ALPNProtocols: ['h2'],
      onread: {
        buffer: READ_BUFFER,
        callback: (length: number) => {
          events.onRead()
          connection.#reader.feed(READ_BUFFER, length)
          return true
        },
      },
    } as ConnectionOptions)
    const connection: Http2Connection = new Http2Connection(
      socket,
      target.streamWindow ?? STREAM_WINDOW,
      events,
    )
    await once(socket, 'secureConnect')
    return connection
  }

  private constructor(socket: TLSSocket, streamWindow: number, events: ConnectionEvents) {
    this.#socket = socket
    this.#streamWindow = streamWindow
    this.#events = events
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const stream of this.#streams) this.#end(stream, 'the connection was closed')
    })
    // A table of no bytes: the status of each answer then stands in its block.
    const values = {
      [SETTING.headerTableSize]: 0,
      [ENABLE_PUSH]: 0,
      [SETTING.initialWindowSize]: streamWindow,
    }
    socket.write(Buffer.concat([PREFACE, settings(values)]))
    this.#return(0, CONNECTION_WINDOW - INITIAL_WINDOW)
  }

  subscribe(path: string, take: ByteTaker, headers: OutgoingHttpHeaders = {}): Promise<void> {
    const opened = Promise.withResolvers<void>()
    const stream = { take, opened, isAnswered: false, owed: 0, isOpen: true }
    const id = this.#streams.push(stream) * 2 - 1
    const more = Object.entries(headers).map(([name, value]) => [name, String(value)] as const)
    const block = requestBlock(path, 'GET', [['accept', 'text/event-stream'], ...more])
    this.#socket.write(frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, id, block))
    return opened.promise
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    for (const [at, stream] of this.#streams.entries()) this.#repay(at * 2 + 1, stream, 1)
  }

  async close(): Promise<void> {
    for (const stream of this.#streams) stream.isOpen = false
    if (this.#socket.destroyed) return
    const closed = once(this.#socket, 'close')
    this.#socket.destroy()
    await closed
  }

  data(id: number, bytes: Buffer): void {
    const stream = this.#streams[id >> 1]!
    stream.take(bytes)
    if (!stream.isAnswered) this.#answer(stream)
    stream.owed += bytes.length
    if (!this.#isPaused) this.#repay(id, stream, this.#streamWindow / 2)
    this.#owed += bytes.length
    if (this.#owed < CONNECTION_WINDOW / 2) return
    this.#return(0, this.#owed)
    this.#owed = 0
  }

  frame(type: number, flags: number, id: number, payload: Buffer): void {
    const isAck = (flags & FLAG.ack) !== 0
    if (type === FRAME.settings && !isAck) this.#socket.write(frame(type, FLAG.ack, 0))
    if (type === FRAME.ping && !isAck) this.#socket.write(frame(type, FLAG.ack, 0, payload))
    const stream = this.#streams[id >> 1]
    if (id === 0 || stream === undefined) return
    if (type === FRAME.headers && !isOk(payload)) this.#end(stream, 'a stream was not answered with 200')
    const isEnd = (type === FRAME.headers || type === FRAME.data) && (flags & FLAG.endStream) !== 0
    if (isEnd || type === FRAME.reset) this.#end(stream, 'the stream was ended')
  }

  #answer(stream: Stream): void {
    stream.isAnswered = true
    stream.opened.resolve()
  }

  #end(stream: Stream, reason: string): void {
    if (!stream.isOpen) return
    stream.isOpen = false
    stream.opened.reject(new Error(reason))
    this.#events.onEnd()
  }

  #repay(id: number, stream: Stream, least: number): void {
    if (stream.owed < least) return
    this.#return(id, stream.owed)
    stream.owed = 0
  }

  #return(id: number, bytes: number): void {
    const increment = Buffer.alloc(4)
    increment.writeUInt32BE(bytes)
    this.#socket.write(frame(FRAME.windowUpdate, 0, id, increment))
  }
}

/** Whether the block of an answer begins with `:status: 200`, which is entry 8 of the static table (RFC 7541). */
function isOk(block: Buffer): boolean {
  // A change of the table's size may come before it.
  return block.find(byte => (byte & 0xe0) !== 0x20) === 0x88
}
