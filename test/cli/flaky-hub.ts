// A small HTTP/2 server that speaks the hub's protocol and misbehaves as networks and restarts do: it takes NDJSON
// under Idempotency-Keys and serves one event stream, but cuts, refuses and goes away as its plan says.

import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import {
  createSecureServer,
  type Http2SecureServer,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Test } from 'tap'
import { openCertificates } from '../../src/http/certificates.ts'

/** What it does with one publish. `keep` says how much of the body it takes before: all, half, nothing. */
export type Mishap =
  | { readonly do: 'answer' }
  | { readonly do: 'cut' | 'reset' | 'restart'; readonly keep: 'all' | 'half' | 'nothing' }
  | { readonly do: 'refuse'; readonly status: number; readonly body?: object; readonly retryAfter?: string }

export interface Publish {
  readonly path: string
  readonly key: string
  readonly lines: readonly string[]
}

export class FlakyHub {
  readonly caFile: string
  /** Every line that is kept, in order. */
  readonly kept: string[] = []
  readonly publishes: Publish[] = []
  restarts = 0
  /** Serves a GET; the default refuses it. */
  serve: (stream: ServerHttp2Stream, path: string, lastEventId: string | undefined) => void = stream =>
    refuse(stream, 404, {})
  readonly #keptByKey = new Map<string, number>()
  readonly #plan: () => Mishap
  readonly #pair: { cert: string; key: string }
  readonly #sessions = new Set<ServerHttp2Session>()
  #server: Http2SecureServer
  #port = 0
  #restarting: Promise<void> | undefined

  static async open(t: Test, plan: () => Mishap = () => ({ do: 'answer' })): Promise<FlakyHub> {
    // Not `t.testdir()`, which a test may want for itself.
    const certsDir = mkdtempSync(join(tmpdir(), 'flaky-hub-'))
    t.teardown(() => rmSync(certsDir, { recursive: true }))
    const certificates = await openCertificates({ certsDir })
    const hub = new FlakyHub(plan, certificates.secureContext(), certificates.certificateAuthority!)
    certificates.close()
    await hub.#listen()
    t.teardown(() => hub.close())
    return hub
  }

  private constructor(plan: () => Mishap, pair: { cert: string; key: string }, caFile: string) {
    this.#plan = plan
    this.#pair = pair
    this.caFile = caFile
    this.#server = this.#create()
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`
  }

  get flags(): string[] {
    return ['--url', this.url, '--cacert', this.caFile]
  }

  async close(): Promise<void> {
    await this.#restarting
    await this.#stop()
  }

  /** Goes away with all its connections, and comes back on the same port. */
  async restart(): Promise<void> {
    this.restarts++
    await this.#stop()
    this.#server = this.#create()
    await this.#listen()
  }

  #create(): Http2SecureServer {
    const server = createSecureServer(this.#pair)
    server.on('session', session => {
      this.#sessions.add(session)
      session.on('error', () => {})
      session.once('close', () => this.#sessions.delete(session))
    })
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {})
      const path = String(headers[':path'])
      if (headers[':method'] === 'GET')
        this.serve(stream, path, headers['last-event-id'] as string | undefined)
      else void this.#take(stream, path, String(headers['idempotency-key'])).catch(() => {})
    })
    return server
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = (this.#server.address() as AddressInfo).port
  }

  async #stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const session of this.#sessions) session.destroy()
    await closed
  }

  async #take(stream: ServerHttp2Stream, path: string, key: string): Promise<void> {
    const lines = (await text(stream)).split('\n').filter(line => line !== '')
    this.publishes.push({ path, key, lines })
    const mishap = this.#plan()
    if (mishap.do === 'refuse') return refuse(stream, mishap.status, mishap.body ?? {}, mishap.retryAfter)
    if (mishap.do === 'answer') return this.#answer(stream, key, lines)
    if (mishap.keep !== 'nothing')
      this.#keep(key, mishap.keep === 'all' ? lines : lines.slice(0, lines.length / 2))
    if (mishap.do === 'reset') stream.close(2)
    if (mishap.do === 'cut') stream.session?.destroy()
    if (mishap.do === 'restart') this.#restarting = this.restart()
  }

  #answer(stream: ServerHttp2Stream, key: string, lines: readonly string[]): void {
    const duplicates = this.#keep(key, lines)
    stream.respond({ ':status': 201, 'content-type': 'application/json' })
    stream.end(JSON.stringify({ published: lines.length, duplicates, id: `id-${this.kept.length}` }))
  }

  /** Returns how many were there. */
  #keep(key: string, lines: readonly string[]): number {
    const before = this.#keptByKey.get(key) ?? 0
    this.kept.push(...lines.slice(before))
    this.#keptByKey.set(key, Math.max(before, lines.length))
    return Math.min(before, lines.length)
  }
}

export function refuse(stream: ServerHttp2Stream, status: number, body: object, retryAfter?: string): void {
  const header = retryAfter === undefined ? {} : { 'retry-after': retryAfter }
  stream.respond({ ':status': status, 'content-type': 'application/problem+json', ...header })
  stream.end(JSON.stringify({ status, ...body }))
}

/** Numbers from 0 to 1, the same for the same seed, so that a failure can be run again (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
