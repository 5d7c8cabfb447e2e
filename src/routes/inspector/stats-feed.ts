// Sends each page that looks the same sample once a second. While nobody looks, none is made.

import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyBaseLogger } from 'fastify'
import type { Grant } from '../../auth/grant.ts'
import { MillraceError } from '../../errors.ts'
import { BYE, type ByeData } from '../../protocol/control-events.ts'
import type { Stats } from '../../protocol/inspector.ts'
import { encodeSse } from '../../protocol/sse.ts'
import { requireOperator, type InspectorContext } from './context.ts'
import { StatsMaker } from './stats-maker.ts'

// The first one comes soon: somebody waits for it.
const FIRST_MS = 250
const INTERVAL_MS = 1000

// A page that does not read why it is sent no more is cut off after this time.
const END_GRACE_MS = 1000

// A page that takes none of so many samples is gone.
const MAX_SKIPPED = 60

interface Viewer {
  readonly outgoing: Writable
  readonly grant: Grant
  skipped: number
}

export class StatsFeed {
  readonly #context: InspectorContext
  readonly #logger: FastifyBaseLogger
  readonly #viewers = new Set<Viewer>()
  #isRunning = false
  #latest: Stats | undefined

  constructor(context: InspectorContext, logger: FastifyBaseLogger) {
    this.#context = context
    this.#logger = logger
    context.closing.addEventListener('abort', () => {
      for (const viewer of this.#viewers) end(viewer, 'drain')
    })
  }

  /** Sends samples until the page goes away, its token expires, or the hub closes. */
  show(outgoing: Writable, grant: Grant): void {
    const viewer: Viewer = { outgoing, grant, skipped: 0 }
    // A stream that is reset may emit 'error' first: 'close' tells.
    outgoing.on('error', () => {}).once('close', () => this.#viewers.delete(viewer))
    this.#viewers.add(viewer)
    outgoing.write(this.#latest === undefined ? ':\n\n' : statsEvent(forGrant(this.#latest, grant)))
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    let maker: StatsMaker | undefined
    try {
      maker = await StatsMaker.start(this.#context)
      await pause(FIRST_MS)
      while (this.#viewers.size > 0) {
        this.#latest = await maker.make()
        await this.#send(this.#latest)
        await pause(INTERVAL_MS)
      }
    } catch (error) {
      this.#logger.error({ err: error }, 'the figures for the inspector could not be read')
      for (const viewer of this.#viewers) end(viewer, 'error')
      this.#viewers.clear()
    } finally {
      maker?.stop()
      this.#latest = undefined
      this.#isRunning = false
    }
  }

  async #send(stats: Stats): Promise<void> {
    const whole = statsEvent(stats)
    for (const viewer of this.#viewers) {
      const grant = await this.#grantNow(viewer.grant)
      if (typeof grant === 'string') end(viewer, grant)
      // What it has not taken is old by now; more would be older still.
      else if (viewer.outgoing.writableLength === 0) {
        viewer.skipped = 0
        viewer.outgoing.write(grant.canReceive('**') ? whole : statsEvent(forGrant(stats, grant)))
      } else if (++viewer.skipped >= MAX_SKIPPED) viewer.outgoing.destroy()
    }
  }

  /** What the page's grant is by now, or why it may look no more. */
  async #grantNow(grant: Grant): Promise<Grant | ByeData['reason']> {
    try {
      const now = await this.#context.currentGrant(grant)
      requireOperator(this.#context, now)
      return now
    } catch (error) {
      const isExpired = error instanceof MillraceError && error.code === 'MILLRACE_TOKEN_EXPIRED'
      return isExpired ? 'expired' : 'revoked'
    }
  }
}

/** It does not keep the process. */
function pause(milliseconds: number): Promise<void> {
  return sleep(milliseconds, undefined, { ref: false })
}

/** Who reads metrics need not be let read events: the busiest topics, with their last data, are those that may be received. */
function forGrant(stats: Stats, grant: Grant): Stats {
  return { ...stats, topics: stats.topics.filter(({ topic }) => grant.canReceive(topic)) }
}

function statsEvent(stats: Stats): string {
  return encodeSse({ type: 'stats', data: JSON.stringify(stats) })
}

function end({ outgoing }: Viewer, reason: ByeData['reason']): void {
  if (outgoing.writableEnded) return
  outgoing.end(encodeSse({ type: BYE, data: JSON.stringify({ reason }) }))
  // A page that does not read it would be looked after for as long as its connection lives.
  setTimeout(() => outgoing.destroy(), END_GRACE_MS).unref()
}
