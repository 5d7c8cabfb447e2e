// The load of bench/compression.ts, in a process of its own: streams that take gzip or do not, a publisher, and the
// figures of one server. Takes its options as JSON in the first argument and sends a CompressionResult to its parent.

import { once } from 'node:events'
import type { ClientHttp2Session } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import { cpuTime, memoryKiB } from '../support/process-figures.ts'
import { LoopMeter } from './loop-meter.ts'
import { post } from './post.ts'
import { reportBack } from './report-back.ts'
import { SequenceCheck, sequenceMark } from './sequence-check.ts'
import { connectTo, type Target } from './subscribers.ts'

export interface CompressionOptions extends Target {
  readonly serverPid: number
  readonly connections: number
  readonly streams: number
  readonly acceptsGzip: boolean
  /** How many events a chunk has, a phase for each. */
  readonly bursts: readonly number[]
  readonly rate: number
  readonly phaseMs: number
  readonly isSpinning: boolean
}

export interface CompressionPhase {
  readonly burst: number
  /** Of DATA on the wire, for each chunk and stream. */
  readonly bytesPerDelivery: number
  /** Server CPU, all threads, for each chunk and stream. */
  readonly microsPerDelivery: number
  readonly serverWaited: number
  readonly loadBusy: number
  /** Lost, repeated or out of order on the streams that were decoded; and streams that got other amounts than they. */
  readonly faults: number
}

export interface CompressionResult {
  readonly memoryPerStreamKiB: number
  readonly phases: readonly CompressionPhase[]
}

const SETTLE_MS = 700
const DEADLINE_MS = 20_000
const OPENING = 25
// So many streams are decoded: all of them would be too much for the load's one core. The others must get as much.
const DECODED = 16
const VENUES = ['XETR', 'XPAR', 'XLON', 'XNYS']

interface Follower {
  bytes: number
  readonly check: SequenceCheck | undefined
}

let options: CompressionOptions
let last = 0
const followers: Follower[] = []
await reportBack(run)

async function run(given: CompressionOptions): Promise<CompressionResult> {
  options = given
  const publisher = await connectTo(options)
  await sleep(SETTLE_MS)
  const before = await memoryKiB(options.serverPid)
  const sessions = await openAll()
  // Compressors take their memory when they are first used.
  await publish(publisher, 3, 1)
  await sleep(SETTLE_MS)
  const after = await memoryKiB(options.serverPid)
  const ticks = Math.round((options.phaseMs * options.rate) / 1000)
  const phases: CompressionPhase[] = []
  for (const burst of options.bursts) {
    // Code gets fast with use, and newcomers have had the text that chunks refer to.
    await publish(publisher, Math.max(30, Math.ceil(ticks / 10)), burst)
    phases.push(await measure(publisher, ticks, burst))
  }
  for (const session of [...sessions, publisher]) session.destroy()
  return { memoryPerStreamKiB: (after - before) / options.streams, phases }
}

async function openAll(): Promise<ClientHttp2Session[]> {
  const { connections, streams } = options
  const sessions: ClientHttp2Session[] = []
  for (let opened = 0; opened < connections; opened += OPENING) {
    const opening = Array.from({ length: Math.min(OPENING, connections - opened) }, () => connectTo(options))
    sessions.push(...(await Promise.all(opening)))
  }
  for (let at = 0; at < streams; at += OPENING) {
    const count = Math.min(OPENING, streams - at)
    await Promise.all(
      Array.from({ length: count }, (_, each) => follow(sessions[(at + each) % connections]!)),
    )
  }
  return sessions
}

async function follow(session: ClientHttp2Session): Promise<void> {
  const stream = session.request({
    ':path': options.path,
    accept: 'text/event-stream',
    ...(options.acceptsGzip && { 'accept-encoding': 'gzip' }),
  })
  const isDecoded = followers.length % Math.ceil(options.streams / DECODED) === 0
  const follower: Follower = { bytes: 0, check: isDecoded ? new SequenceCheck(last, () => {}) : undefined }
  followers.push(follower)
  stream.on('data', (chunk: Buffer) => (follower.bytes += chunk.length)).on('error', () => {})
  const { check } = follower
  if (check !== undefined) {
    const text = options.acceptsGzip ? stream.pipe(createGunzip()) : stream
    text.on('data', (chunk: Buffer) => check.feed(chunk)).on('error', () => {})
  }
  const [headers] = await once(stream, 'response')
  if (headers['content-encoding'] !== (options.acceptsGzip ? 'gzip' : undefined))
    throw new Error('not as asked')
  await once(stream, 'data')
}

async function measure(
  publisher: ClientHttp2Session,
  ticks: number,
  burst: number,
): Promise<CompressionPhase> {
  const meter = new LoopMeter(options.isSpinning)
  const bytesBefore = followers.map(({ bytes }) => bytes)
  const faultsBefore = sequenceFaults()
  const cpuBefore = await cpuTime(options.serverPid)
  const start = performance.now()
  meter.start()
  await publish(publisher, ticks, burst)
  const cpu = await cpuTime(options.serverPid)
  const windowMs = performance.now() - start
  const loadBusy = meter.stop()
  const grown = followers.map(({ bytes }, at) => bytes - bytesBefore[at]!)
  const total = grown.reduce((sum, bytes) => sum + bytes, 0)
  const deliveries = ticks * options.streams
  return {
    burst,
    bytesPerDelivery: total / deliveries,
    microsPerDelivery: ((cpu.usedMs - cpuBefore.usedMs) * 1000) / deliveries,
    serverWaited: (cpu.waitedMs - cpuBefore.waitedMs) / windowMs,
    loadBusy,
    faults: sequenceFaults() - faultsBefore + oddOnes(grown),
  }
}

/** Publishes so many chunks at the set pace; resolves when all streams have them, or nothing comes any more. */
async function publish(publisher: ClientHttp2Session, ticks: number, burst: number): Promise<void> {
  const start = performance.now()
  for (let tick = 0; tick < ticks; tick++) {
    const wait = start + (tick * 1000) / options.rate - performance.now()
    if (wait > 0) await sleep(wait)
    const lines = Array.from({ length: burst }, () => eventData(++last)).join('\n')
    // One after another: bodies that are under way together may be kept in any order.
    const isKept = await post(publisher, options.path, lines, 'application/x-ndjson')
    if (!isKept) throw new Error('an event was refused')
  }
  const deadline = performance.now() + DEADLINE_MS
  for (let seen = -1; performance.now() < deadline;) {
    const received = followers.reduce((sum, { bytes }) => sum + bytes, 0)
    if (received === seen && followers.every(({ check }) => check === undefined || check.lost(last) === 0))
      return
    seen = received
    await sleep(50)
  }
}

/** A line of JSON that makes an event of about 155 bytes on the wire. */
function eventData(number: number): string {
  const price = (100 + Math.sin(number) * 20).toFixed(2)
  const volume = (number * 7919) % 99_991
  const time = new Date(1.7e12 + number * 137).toISOString()
  return `{"symbol":"ACME${(number * 31) % 50}","price":${price},"volume":${volume},"time":"${time}","venue":"${VENUES[number % 4]}","mark":"${sequenceMark(number)}"}`
}

function sequenceFaults(): number {
  const checks = followers.flatMap(({ check }) => check ?? [])
  return checks.reduce((sum, check) => sum + check.lost(last) + check.repeated + check.outOfOrder, 0)
}

/** Streams that got less or more than the others by a heartbeat and a few chunks that stood alone. */
function oddOnes(bytes: readonly number[]): number {
  const usual = [...bytes].sort((one, other) => one - other)[bytes.length >> 1]!
  return bytes.filter(each => Math.abs(each - usual) > usual * 0.5).length
}
