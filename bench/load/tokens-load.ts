// The load of bench/tokens.ts, in a process of its own: publishes to several hubs in short turns.
// Takes its options as JSON in the first argument and sends a TokensLoadResult to its parent.

import type { ClientHttp2Session } from 'node:http2'
import { publishedEvents } from '../support/hub.ts'
import { cpuTime } from '../support/process-figures.ts'
import { publish, sessionsFor, type Phase } from './publishing.ts'
import { reportBack } from './report-back.ts'
import { headersOf, type NextHeaders } from './request-headers.ts'
import { connectTo, type Target } from './subscribers.ts'

export interface HubTarget extends Target {
  readonly serverPid: number
}

export interface TokensLoadOptions {
  readonly hubs: readonly HubTarget[]
  readonly phases: readonly Phase[]
  /** Of each hub in each phase. */
  readonly turns: number
  readonly turnMs: number
  /** POSTs to each before the first phase, such as one for each token, so that all of them are known. */
  readonly firstPosts: number
}

export interface Turn {
  readonly perSecond: number
  /** CPU of all threads of the hub. */
  readonly microsPerEvent: number
}

export interface PhaseTurns {
  readonly phase: Phase
  /** Of each hub. Those with the same number were neighbours in time. */
  readonly hubs: readonly (readonly Turn[])[]
}

export interface TokensLoadResult {
  readonly phases: readonly PhaseTurns[]
  /** Of each hub: events that were not answered as kept, and the difference between what it counted and what was. */
  readonly failures: readonly number[]
}

// The server's code gets fast with use.
const WARM_UP_MS = 500
const FIRST_IN_FLIGHT = 64

async function run(options: TokensLoadOptions): Promise<TokensLoadResult> {
  const hubs = await Promise.all(options.hubs.map(target => Hub.open(target)))
  for (const hub of hubs) await hub.postFirst(options.firstPosts)
  const phases: PhaseTurns[] = []
  for (const phase of options.phases) phases.push(await measure(hubs, phase, options))
  return { phases, failures: await Promise.all(hubs.map(hub => hub.close())) }
}

async function measure(
  hubs: readonly Hub[],
  phase: Phase,
  { turns, turnMs }: TokensLoadOptions,
): Promise<PhaseTurns> {
  for (const hub of hubs) await hub.begin(phase)
  const found: Turn[][] = hubs.map(() => [])
  for (let turn = 0; turn < turns; turn++) {
    // Each follows each of the others as often: caches are as that one left them.
    for (let step = 0; step < hubs.length; step++) {
      const at = (turn + step) % hubs.length
      found[at]!.push(await hubs[at]!.turn(phase, turnMs))
    }
  }
  for (const hub of hubs) hub.end()
  return { phase, hubs: found }
}

class Hub {
  readonly #target: HubTarget
  readonly #session: ClientHttp2Session
  readonly #headers: NextHeaders
  #sessions: readonly ClientHttp2Session[] = []
  #answered = 0
  #failures = 0

  static async open(target: HubTarget): Promise<Hub> {
    return new Hub(target, await connectTo(target))
  }

  private constructor(target: HubTarget, session: ClientHttp2Session) {
    this.#target = target
    this.#session = session
    this.#headers = headersOf(target)
  }

  async postFirst(count: number): Promise<void> {
    const phase: Phase = { kind: 'in-flight', count: FIRST_IN_FLIGHT, bytes: 1 }
    this.#sessions = await sessionsFor(phase, this.#target)
    while (this.#answered + this.#failures < count) await this.#publish(phase, 100)
    this.end()
  }

  async begin(phase: Phase): Promise<void> {
    this.#sessions = await sessionsFor(phase, this.#target)
    await this.#publish(phase, WARM_UP_MS)
  }

  async turn(phase: Phase, forMs: number): Promise<Turn> {
    const before = await cpuTime(this.#target.serverPid)
    const start = performance.now()
    const events = await this.#publish(phase, forMs)
    const elapsedMs = performance.now() - start
    const { usedMs } = await cpuTime(this.#target.serverPid)
    return {
      perSecond: (events * 1000) / elapsedMs,
      microsPerEvent: ((usedMs - before.usedMs) * 1000) / events,
    }
  }

  end(): void {
    for (const session of this.#sessions) session.destroy()
  }

  /** Returns how many events are not accounted for. */
  async close(): Promise<number> {
    const counted = await publishedEvents(this.#session)
    this.#session.destroy()
    return this.#failures + Math.abs(counted - this.#answered)
  }

  async #publish(phase: Phase, forMs: number): Promise<number> {
    const { path } = this.#target
    const { events, failures } = await publish(this.#sessions, path, phase, forMs, this.#headers)
    this.#answered += events
    this.#failures += failures
    return events
  }
}

await reportBack(run)
