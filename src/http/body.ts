// Reads request bodies: whole, or line by line without holding more than a line. Never takes half a body for a whole.

import { isAscii, isUtf8 } from 'node:buffer'
import type { Readable } from 'node:stream'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'
import { connectionOf, http2StreamOf } from './connections.ts'
import { BODY_EXPLAINS, WINDOW_BYTES } from './overhead.ts'
import type { HeldPiece } from './held-bytes.ts'

export interface BodyLimits {
  readonly maxBodyBytes: number
  /** How long a body may bring nothing, in milliseconds. It may rest between two lines, and take for ever. */
  readonly bodyTimeoutMs: number
}

/**
 * Has bodies read from what the app around us makes of them in its `preParsing` hooks: it reads them itself then, and what is left
 * to read of the request could look like an empty body.
 */
export function readWhatHooksMake(app: FastifyInstance): void {
  app.addHook('preParsing', (request, _reply, payload, done) => {
    if (payload !== request.raw) remade.set(request, payload)
    done()
  })
}

const remade = new WeakMap<FastifyRequest, Readable>()

function incomingOf(request: FastifyRequest): Readable {
  return remade.get(request) ?? request.raw
}

/** Streams of the app may bring text, or bytes that are no Buffer. */
type BodyPiece = string | Uint8Array

function bytesOf(piece: BodyPiece): Buffer {
  return Buffer.isBuffer(piece) ? piece : Buffer.from(piece as string)
}

/**
 * Reads the whole body as text. Errors: MILLRACE_BODY_TOO_LARGE, MILLRACE_BODY_CUT, MILLRACE_NOT_UTF8,
 * MILLRACE_REQUEST_TIMEOUT, MILLRACE_CONNECTION_FULL.
 */
export async function readText(request: FastifyRequest, limits: BodyLimits): Promise<string> {
  const { maxBodyBytes } = limits
  const held = heldPiece(request)
  const body = new Pieces()
  await takeBody(request, limits, chunk => {
    if (body.length + chunk.length > maxBodyBytes) throw tooLarge('The body', maxBodyBytes)
    held?.hold(body.length + chunk.length)
    body.add(chunk)
  })
  await requireWhole(request)
  return decode(body.take(), 'The body')
}

/**
 * Reads the body as lines that end at LF (a CR before it belongs to the end), as many at a time as have arrived. Empty
 * lines come too, so that they can be counted. The body waits while the caller works on its lines. A line longer than
 * `maxBodyBytes` comes as far as it was read: refusing it is up to the caller, who knows its number.
 * Errors: MILLRACE_BODY_CUT, MILLRACE_REQUEST_TIMEOUT, MILLRACE_CONNECTION_FULL.
 */
export async function* readLines(request: FastifyRequest, limits: BodyLimits): AsyncGenerator<Line[]> {
  const held = heldPiece(request)
  const rest = new Pieces()
  let hasLines = false
  for await (const chunk of bodyOf(request, limits, () => hasLines && rest.length === 0)) {
    const lines: Line[] = []
    const first = chunk.indexOf(LF)
    const whole = chunk.lastIndexOf(LF) + 1
    if (first !== -1) {
      rest.add(chunk.subarray(0, first))
      lines.push(rest.take())
      addLines(lines, chunk.subarray(first + 1, whole), limits.maxBodyBytes)
    }
    if (whole < chunk.length) rest.add(chunk.subarray(whole))
    if (rest.length > limits.maxBodyBytes) lines.push(rest.take())
    if (lines.length > 0) {
      hasLines = true
      yield lines
    }
    held?.hold(rest.length)
  }
  if (rest.length > 0) yield [rest.take()]
}

/** Text where that is known to be well-formed and not too long, else bytes: see `lineText`. */
export type Line = string | Buffer

/** Errors: MILLRACE_BODY_TOO_LARGE, MILLRACE_NOT_UTF8. */
export function lineText(line: Line, { maxBodyBytes }: BodyLimits): string {
  if (typeof line === 'string') return line
  if (line.length > maxBodyBytes) throw tooLarge('The line', maxBodyBytes)
  return decode(line, 'The line')
}

/** Adds the lines of these bytes, which end with one: to look at all of them at once costs less than at each. */
function addLines(lines: Line[], bytes: Buffer, maxBytes: number): void {
  const encoding = isAscii(bytes) ? 'latin1' : isUtf8(bytes) ? 'utf8' : undefined
  let from = 0
  for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, from)) {
    const isText = encoding !== undefined && end - from <= maxBytes
    lines.push(isText ? bytes.toString(encoding, from, end) : bytes.subarray(from, end))
    from = end + 1
  }
}

/** Errors: MILLRACE_NOT_UTF8. */
export function decode(bytes: Buffer, what: string): string {
  if (!isUtf8(bytes)) throw new MillraceError('MILLRACE_NOT_UTF8', `${what} is not valid UTF-8.`)
  return bytes.toString('utf8')
}

export function tooLarge(what: string, maxBytes: number): MillraceError {
  return new MillraceError('MILLRACE_BODY_TOO_LARGE', `${what} is larger than ${maxBytes} bytes.`)
}

const LF = 0x0a

/** Bytes put together from pieces of any size: many small ones cost hardly more than they hold. */
export class Pieces {
  length = 0
  #bytes: Buffer = NOTHING

  add(piece: Buffer): void {
    // Most bodies and lines come in one piece, which is not copied.
    if (this.length === 0) this.#bytes = piece
    else {
      if (this.length + piece.length > this.#bytes.length) this.#grow(this.length + piece.length)
      piece.copy(this.#bytes, this.length)
    }
    this.length += piece.length
  }

  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.length)
    this.#bytes = NOTHING
    this.length = 0
    return bytes
  }

  #grow(least: number): void {
    const bytes = Buffer.allocUnsafeSlow(Math.max(least, this.#bytes.length * 2))
    this.#bytes.copy(bytes, 0, 0, this.length)
    this.#bytes = bytes
  }
}

const NOTHING = Buffer.alloc(0)

function heldPiece(request: FastifyRequest): HeldPiece | undefined {
  return connectionOf(request)?.held.open(http2StreamOf(request) ?? request.raw)
}

/** Hands over each piece as it comes: most bodies are one, and an iterator costs more than all the rest of reading it. */
function takeBody(
  request: FastifyRequest,
  { bodyTimeoutMs }: BodyLimits,
  take: (chunk: Buffer) => void,
): Promise<void> {
  const incoming = incomingOf(request)
  if (incoming.destroyed) return Promise.reject(cut())
  const { explain, end } = explaining(request)
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(late(bodyTimeoutMs)), bodyTimeoutMs).unref()
    const onData = (piece: BodyPiece): void => {
      const chunk = bytesOf(piece)
      timer.refresh()
      explain(chunk)
      try {
        take(chunk)
      } catch (error) {
        settle(error as Error)
      }
    }
    const onEnd = (): void => settle()
    const onCut = (cause?: unknown): void => settle(cut(cause))
    const settle = (error?: Error): void => {
      clearTimeout(timer)
      end(error === undefined)
      incoming.off('data', onData).off('end', onEnd).off('close', onCut).off('error', onCut)
      if (error === undefined) return resolve()
      throwAwayRest(incoming, explain)
      reject(error)
    }
    incoming.on('data', onData).once('end', onEnd).once('close', onCut).once('error', onCut)
  })
}

/** While `mayRest()`, what comes next may take as long as it likes: the connection itself is looked after. */
async function* bodyOf(
  request: FastifyRequest,
  { bodyTimeoutMs }: BodyLimits,
  mayRest: () => boolean = () => false,
): AsyncGenerator<Buffer> {
  const incoming = incomingOf(request)
  const { explain, end } = explaining(request)
  let isWhole = false
  // Whoever stops reading half-way still has an answer to send on this stream.
  const chunks = incoming.iterator({ destroyOnReturn: false }) as AsyncIterator<BodyPiece, void>
  try {
    for (;;) {
      const next = chunks.next()
      const { value, done } = await (mayRest() ? next : inTime(next, bodyTimeoutMs))
      if (value === undefined || done === true) break
      const chunk = bytesOf(value)
      explain(chunk)
      yield chunk
    }
    isWhole = true
  } catch (error) {
    throw error instanceof MillraceError ? error : cut(error)
  } finally {
    end(isWhole)
    void chunks.return?.()
    throwAwayRest(incoming, explain)
  }
  await requireWhole(request)
}

/** Tells the connection which of its bytes are this body's: `overhead.ts` wants to know. */
function explaining(request: FastifyRequest): Explaining {
  const connection = connectionOf(request)
  if (connection !== undefined) connection.openBodies++
  return {
    explain(chunk) {
      if (connection !== undefined) connection.explainedBytes += chunk.length * BODY_EXPLAINS
    },
    end(isWhole) {
      if (connection === undefined) return
      connection.openBodies--
      if (!isWhole) connection.explainedBytes += WINDOW_BYTES
    },
  }
}

interface Explaining {
  readonly explain: (chunk: Buffer) => void
  /** No more of it is read, or what is read is thrown away. What was under way goes unread if it is not `isWhole`. */
  readonly end: (isWhole: boolean) => void
}

/** The rest of a body that is given up would stand in the way of the connection's next request (HTTP/1.1). */
function throwAwayRest(incoming: Readable, explain: Explaining['explain']): void {
  incoming.on('error', () => {}).on('data', explain)
}

/** Errors: MILLRACE_BODY_CUT. */
async function requireWhole(request: FastifyRequest): Promise<void> {
  // HTTP/2 itself holds a body against the length that was announced (RFC 9113, 8.1.1).
  if (request.headers['content-length'] === undefined) await resetsHaveArrived(request)
  // Node ends an HTTP/2 request whose stream was reset as if it were complete.
  if (wasCut(request.raw)) throw cut()
}

/** Errors: MILLRACE_REQUEST_TIMEOUT. */
function inTime<T>(next: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late(timeoutMs)), timeoutMs).unref()
    next.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function late(timeoutMs: number): MillraceError {
  return new MillraceError('MILLRACE_REQUEST_TIMEOUT', `Nothing of the body came for ${timeoutMs} ms.`)
}

/**
 * Node's HTTP/2 client, and undici's fetch with it, ends the body of a request that is aborted before it resets the
 * stream: only the reset tells. A client that resets does so at once, so before it answers our PING.
 */
async function resetsHaveArrived(request: FastifyRequest): Promise<void> {
  const stream = http2StreamOf(request)
  const session = stream?.session
  if (stream === undefined || session === undefined || session.destroyed) return
  await new Promise<void>(resolve => {
    session.ping(() => resolve())
  })
}

function wasCut(incoming: FastifyRequest['raw']): boolean {
  return (incoming as { aborted?: boolean }).aborted === true
}

function cut(cause?: unknown): MillraceError {
  return new MillraceError('MILLRACE_BODY_CUT', 'The connection was closed before the body was complete.', {
    cause,
  })
}
