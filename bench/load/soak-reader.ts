// One client of bench/soak.ts: it connects, reads for a while, at its own speed, goes away in its own manner, comes back
// with the last id it saw, and after some time follows something else.

import { once } from 'node:events'
import { connect, constants, type ClientHttp2Session } from 'node:http2'
import { get } from 'node:https'
import { connect as connectTcp } from 'node:net'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { createParser } from 'eventsource-parser'
import { SoakCheck } from './soak-check.ts'
import { random, randomSelection, type Selection } from './soak-topics.ts'
import type { Target } from './subscribers.ts'

export interface SoakAccount {
  connections: number
  streams: number
  resumed: number
  received: number
  gaps: number
  refused: number
  faultCount: number
  readonly faults: string[]
}

interface OpenStream {
  readonly body: Readable
  /** Politely. */
  close(): void
  /** As a browser does whose tab is closed. */
  reset(): void
  /** As a client does that is gone: the connection is reset. */
  vanish(): void
}

const MAX_LIFE_MS = 8000
const MAX_REST_MS = 2000
// Some come back so late that the log has forgotten what they missed.
const MAX_ABSENCE_MS = 60_000
const LIVES_PER_SELECTION = 10
// So small that a slow reader is one to the hub, too.
const STREAM_WINDOW = 65_535
const SLOW_TURN_MS = 400
const FLAPS = 20
const RESPONSE_DEADLINE_MS = 20_000

/** Runs one after the other until the time has come. */
export async function runSoakReader(
  target: Omit<Target, 'path'>,
  until: number,
  account: SoakAccount,
): Promise<void> {
  while (performance.now() < until) {
    const selection = randomSelection()
    const check = new SoakCheck(selection.topic)
    for (let life = 0; life < LIVES_PER_SELECTION && performance.now() < until; life++) {
      await live(target, selection, check, account)
      const rest = random(random(20) === 0 ? MAX_ABSENCE_MS : MAX_REST_MS)
      await sleep(Math.max(0, Math.min(rest, until - performance.now())))
    }
    account.received += check.received
    account.gaps += check.gaps
    account.faultCount += check.faultCount
    account.faults.push(...check.faults)
  }
}

async function live(
  target: Omit<Target, 'path'>,
  { path }: Selection,
  check: SoakCheck,
  account: SoakAccount,
): Promise<void> {
  const headers: Record<string, string> = { accept: 'text/event-stream' }
  if (check.lastEventId !== undefined) {
    headers['last-event-id'] = check.lastEventId
    account.resumed++
  }
  const open = random(4) === 0 ? openHttp1 : openHttp2
  const stream = await open({ ...target, path }, headers).catch(() => undefined)
  account.connections++
  if (stream === undefined) return void account.refused++
  account.streams++
  const parser = createParser({ onEvent: event => check.take(event) })
  const decoder = new TextDecoder()
  stream.body.on('data', (chunk: Buffer) => parser.feed(decoder.decode(chunk, { stream: true })))
  await read(stream.body, random(MAX_LIFE_MS))
  const ending = (['close', 'reset', 'vanish'] as const)[random(3)]!
  // What is parsed after this is not looked at: the client is gone.
  stream.body.removeAllListeners('data')
  stream[ending]()
}

/** Fast, slowly, or not at all after a moment. */
async function read(body: Readable, forMs: number): Promise<void> {
  const closed = once(body, 'close').catch(() => {})
  const end = Promise.race([sleep(forMs), closed])
  const pace = random(4)
  if (pace === 0) {
    const turns = setInterval(() => {
      body.resume()
      setImmediate(() => body.pause())
    }, SLOW_TURN_MS)
    await end
    clearInterval(turns)
  } else {
    if (pace === 1) setTimeout(() => body.pause(), forMs / 4)
    await end
  }
}

async function openHttp1({ port, ca, path }: Target, headers: Record<string, string>): Promise<OpenStream> {
  const tcp = connectTcp(port, '127.0.0.1').on('error', () => {})
  const createConnection = (): TLSSocket => connectTls({ socket: tcp, ca })
  const request = get({ host: '127.0.0.1', port, path, headers, createConnection })
  request.on('error', () => {})
  const signal = AbortSignal.timeout(RESPONSE_DEADLINE_MS)
  const [response] = await once(request, 'response', { signal })
  const end = (): void => void request.destroy()
  if (response.statusCode !== 200) {
    end()
    throw new Error(`answered with ${response.statusCode}`)
  }
  response.on('error', () => {})
  return { body: response, close: end, reset: end, vanish: () => void tcp.resetAndDestroy() }
}

async function openHttp2({ port, ca, path }: Target, headers: Record<string, string>): Promise<OpenStream> {
  const tcp = connectTcp(port, '127.0.0.1').on('error', () => {})
  const session = connect(`https://127.0.0.1:${port}`, {
    settings: { initialWindowSize: STREAM_WINDOW, enablePush: false },
    createConnection: () => connectTls({ socket: tcp, ca, ALPNProtocols: ['h2'] }),
  })
  session.on('error', () => {})
  try {
    if (random(10) === 0) flap(session, path)
    const stream = session.request({ ':path': path, ...headers })
    stream.on('error', () => {})
    const signal = AbortSignal.timeout(RESPONSE_DEADLINE_MS)
    const [response] = await once(stream, 'response', { signal })
    if (response[':status'] !== 200) throw new Error(`answered with ${response[':status']}`)
    return {
      body: stream,
      close() {
        // A stream that is paused does not end by itself, nor then does its session.
        stream.close()
        session.close()
        setTimeout(() => session.destroy(), 100)
      },
      reset() {
        stream.close(constants.NGHTTP2_CANCEL)
        setTimeout(() => session.destroy(), 100)
      },
      vanish() {
        tcp.resetAndDestroy()
        session.destroy()
      },
    }
  } catch (error) {
    session.destroy()
    throw error
  }
}

/** Streams that are reset before they are answered, or just after. */
function flap(session: ClientHttp2Session, path: string): void {
  for (let at = 0; at < FLAPS; at++) {
    const stream = session.request({ ':path': path, accept: 'text/event-stream' })
    stream.on('error', () => {})
    setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), random(50))
  }
}
