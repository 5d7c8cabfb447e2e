// An HTTP/2 client made of bare frames (RFC 9113), for what no well-behaved client would send.

import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import type { Reachable } from './hub.ts'

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const

export const FLAG = { ack: 1, endStream: 1, endHeaders: 4, padded: 8 } as const

export const CODE = { noError: 0, protocolError: 1, cancel: 8, enhanceYourCalm: 11 } as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export function frame(type: number, flags: number, stream: number, payload: Buffer = NOTHING): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

const NOTHING = Buffer.alloc(0)

/** Header fields as HPACK literals, neither indexed nor compressed (RFC 7541, 6.2.2). */
export function headerBlock(fields: readonly (readonly [name: string, value: string | Buffer])[]): Buffer {
  const parts = fields.flatMap(([name, value]) => [Buffer.of(0), hpackText(name), hpackText(value)])
  return Buffer.concat(parts)
}

function hpackText(text: string | Buffer): Buffer {
  const bytes = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
  return Buffer.concat([hpackInteger(bytes.length), bytes])
}

// With a prefix of 7 bits (RFC 7541, 5.1).
function hpackInteger(value: number): Buffer {
  if (value < 127) return Buffer.of(value)
  const bytes = [127]
  let rest = value - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.of(...bytes, rest)
}

export function requestBlock(
  path: string,
  method = 'GET',
  others: readonly (readonly [string, string | Buffer])[] = [],
): Buffer {
  return headerBlock([
    [':method', method],
    [':scheme', 'https'],
    [':authority', 'localhost'],
    [':path', path],
    ...others,
  ])
}

export function settings(values: Readonly<Record<number, number>> = {}): Buffer {
  const entries = Object.entries(values)
  const payload = Buffer.alloc(entries.length * 6)
  for (const [at, [id, value]] of entries.entries()) {
    payload.writeUInt16BE(Number(id), at * 6)
    payload.writeUInt32BE(value, at * 6 + 2)
  }
  return frame(FRAME.settings, 0, 0, payload)
}

export const SETTING = { headerTableSize: 1, initialWindowSize: 4 } as const

export interface RawOptions {
  /** What the first SETTINGS frame says. */
  readonly settings?: Readonly<Record<number, number>>
  /** Answers SETTINGS and PING frames, as a live peer does. Default: true. */
  readonly answers?: boolean
  /** Returns two WINDOW_UPDATE frames for each DATA frame, as some clients do, however small it is. */
  readonly returns?: boolean
}

/** One connection; it is cut when the test ends. */
export class RawHttp2 {
  readonly socket: TLSSocket
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>
  /** The code of the GOAWAY that came, if any. */
  goawayCode: number | undefined
  /** What came, but for acknowledgements, and of DATA only what ends a stream. */
  readonly frames: Frame[] = []
  readonly #answers: boolean
  readonly #returns: boolean
  #received: Buffer = NOTHING
  #news = Promise.withResolvers<void>()

  static async connect(
    t: Test,
    hub: Pick<Reachable, 'url' | 'ca'>,
    options: RawOptions = {},
  ): Promise<RawHttp2> {
    const port = Number(new URL(hub.url).port)
    const ALPNProtocols = ['h2']
    const socket = connect({ port, host: 'localhost', servername: 'localhost', ca: hub.ca, ALPNProtocols })
    socket.on('error', () => {})
    t.teardown(() => socket.destroy())
    await once(socket, 'secureConnect')
    return new RawHttp2(socket, options)
  }

  private constructor(socket: TLSSocket, options: RawOptions) {
    this.socket = socket
    this.#answers = options.answers ?? true
    this.#returns = options.returns ?? false
    socket.on('data', chunk => this.#parse(chunk))
    this.closed = new Promise(resolve => socket.once('close', () => resolve()))
    socket.once('close', () => this.#news.resolve())
    // A table of no bytes: the status of each answer then stands in its block.
    const values = { [SETTING.headerTableSize]: 0, ...options.settings }
    this.send(PREFACE, settings(values))
  }

  get isClosed(): boolean {
    return this.socket.closed || this.socket.destroyed
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }

  request(
    stream: number,
    path: string,
    method = 'GET',
    others: readonly (readonly [string, string])[] = [],
  ): void {
    const flags = FLAG.endHeaders | (method === 'GET' ? FLAG.endStream : 0)
    this.send(frame(FRAME.headers, flags, stream, requestBlock(path, method, others)))
  }

  /** Goes away without a word. */
  cut(): void {
    this.socket.destroy()
  }

  /** Sends the bytes again and again, as fast as they are taken, so often or until the hub hangs up. */
  async flood(bytes: Buffer, times: number): Promise<number> {
    let sent = 0
    while (sent < times && !this.isClosed && this.goawayCode === undefined) {
      sent++
      if (this.socket.write(bytes)) continue
      const drained = new Promise(resolve => this.socket.once('drain', resolve))
      await Promise.race([drained, this.closed])
    }
    return sent
  }

  /** Resolves with the first frame that fits; rejects when the connection ends without it. */
  async find(fits: (frame: Frame) => boolean): Promise<Frame> {
    for (;;) {
      const found = this.frames.find(fits)
      if (found !== undefined) return found
      if (this.isClosed) throw new Error(`the connection ended with GOAWAY ${this.goawayCode}`)
      await this.#news.promise
    }
  }

  /** The status of the answer on this stream. */
  async status(stream: number): Promise<number> {
    return statusOf((await this.find(each => each.type === FRAME.headers && each.stream === stream)).payload)
  }

  /** Resolves when the hub has ended this stream. */
  async ended(stream: number): Promise<void> {
    await this.find(each => each.stream === stream && (each.flags & FLAG.endStream) !== 0)
  }

  /** The code with which the hub resets this stream. */
  async resetCode(stream: number): Promise<number> {
    const reset = await this.find(each => each.type === FRAME.reset && each.stream === stream)
    return reset.payload.readUInt32BE()
  }

  #parse(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
    let from = 0
    for (; this.#received.length - from >= 9;) {
      const length = this.#received.readUIntBE(from, 3)
      if (this.#received.length - from < 9 + length) break
      const payload = Buffer.from(this.#received.subarray(from + 9, from + 9 + length))
      const [type, flags] = [this.#received[from + 3]!, this.#received[from + 4]!]
      this.#take({ type, flags, stream: this.#received.readUInt32BE(from + 5), payload })
      from += 9 + length
    }
    this.#received = this.#received.subarray(from)
    this.#news.resolve()
    this.#news = Promise.withResolvers()
  }

  #take(each: Frame): void {
    const isAck = (each.flags & FLAG.ack) !== 0
    if (each.type === FRAME.goaway) this.goawayCode = each.payload.readUInt32BE(4)
    if (each.type === FRAME.settings || each.type === FRAME.ping) {
      if (!isAck && this.#answers) {
        this.send(frame(each.type, FLAG.ack, 0, each.type === FRAME.ping ? each.payload : NOTHING))
      }
      if (isAck) return
    }
    if (each.type === FRAME.data && this.#returns && each.payload.length > 0) this.#return(each)
    const isPiece = each.type === FRAME.data && (each.flags & FLAG.endStream) === 0
    if (!isPiece) this.frames.push(each)
  }

  #return({ stream, payload }: Frame): void {
    const increment = Buffer.alloc(4)
    increment.writeUInt32BE(payload.length)
    for (const id of [0, stream]) this.send(frame(FRAME.windowUpdate, 0, id, increment))
  }
}

// The static table's entries 8 to 14 (RFC 7541, appendix A).
const INDEXED_STATUSES = [200, 204, 206, 304, 400, 404, 500]

/** The status comes first in the block: indexed, or as a literal of three digits in Huffman code. */
function statusOf(block: Buffer): number {
  // A change of the table's size may come before it.
  const at = [...block].findIndex(byte => (byte & 0xe0) !== 0x20)
  if (block[at]! >= 0x88 && block[at]! <= 0x8e) return INDEXED_STATUSES[block[at]! - 0x88]!
  const length = block[at + 1]! & 0x7f
  const value = block.subarray(at + 2, at + 2 + length)
  return Number((block[at + 1]! & 0x80) === 0 ? value.toString() : huffmanDigits(value))
}

// 0 to 2 have five bits, 3 to 9 have six (RFC 7541, appendix B).
function huffmanDigits(bytes: Buffer): string {
  const bits = [...bytes].map(byte => byte.toString(2).padStart(8, '0')).join('')
  let digits = ''
  for (let at = 0; digits.length < 3;) {
    const short = parseInt(bits.slice(at, at + 5), 2)
    digits += short <= 2 ? short : parseInt(bits.slice(at, at + 6), 2) - 22
    at += short <= 2 ? 5 : 6
  }
  return digits
}
