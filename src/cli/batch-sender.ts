// Sends batches one after another and keeps at each until the hub has it: order and exactly-once need both.

import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { Backoff } from './backoff.ts'
import type { Batch } from './batches.ts'
import { Failure } from './failure.ts'
import {
  describeProblem,
  describeTrouble,
  hopelessReason,
  isPassing,
  readJson,
  readProblem,
  requestHub,
  retryAfterMs,
  type HubClient,
  type Problem,
} from './hub-client.ts'

export interface SenderOptions {
  readonly path: string
  /** Turns a line into the NDJSON line that the path takes. */
  readonly encode: (text: string) => string
  /** Each batch's Idempotency-Key begins so: a batch that is sent again is not published again. */
  readonly keyPrefix: string
  readonly giveUpAfterMs: number
  /** Called when a batch has to wait, with the reason. */
  readonly onTrouble: (reason: string) => void
}

export interface Receipt {
  readonly published: number
  /** How many of them were there from an earlier attempt. */
  readonly duplicates: number
  readonly id: string
}

type Outcome =
  | { readonly receipt: Receipt }
  | { readonly trouble: string; readonly waitMs: number; readonly published: number }

// Long, because a hub with a publish rate answers a batch only when it has let all of it in. A hub that took the
// connection and went silent is asked again then; the key makes it safe.
const ANSWER_TIMEOUT_MS = 120_000

export class BatchSender {
  readonly #client: HubClient
  readonly #options: SenderOptions
  readonly #backoff: Backoff

  constructor(client: HubClient, options: SenderOptions) {
    this.#client = client
    this.#options = options
    this.#backoff = new Backoff({ firstMs: 100, maxMs: 5000, giveUpAfterMs: options.giveUpAfterMs })
  }

  /** Resolves when the hub has every line. Errors: Failure, when it will not or does not in time. */
  async send(batch: Batch): Promise<Receipt> {
    const body = batch.lines.map(line => `${this.#options.encode(line.text)}\n`).join('')
    let published = 0
    for (;;) {
      const outcome = await this.#attempt(batch, body)
      if ('receipt' in outcome) {
        this.#backoff.progressed()
        return outcome.receipt
      }
      // A batch larger than the publish rate gets through a part at a time.
      if (outcome.published > published) this.#backoff.progressed()
      published = Math.max(published, outcome.published)
      await this.#pause(batch, outcome.trouble, outcome.waitMs)
    }
  }

  async #attempt(batch: Batch, body: string): Promise<Outcome> {
    try {
      return await this.#answer(batch, await this.#post(batch, body))
    } catch (error) {
      if (error instanceof Failure) throw error
      const reason = hopelessReason(error)
      if (reason !== undefined) throw new Failure(reason)
      return { trouble: describeTrouble(error), waitMs: 0, published: 0 }
    }
  }

  async #post(batch: Batch, body: string): Promise<Dispatcher.ResponseData> {
    return await requestHub(this.#client, this.#options.path, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-ndjson',
        'idempotency-key': `${this.#options.keyPrefix}-${batch.number}`,
      },
      body,
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
  }

  async #answer(batch: Batch, response: Dispatcher.ResponseData): Promise<Outcome> {
    if (response.statusCode === 201) return { receipt: receiptOf(batch, await readJson(response)) }
    const problem = await readProblem(response)
    if (!isPassing(problem)) throw refusal(batch, problem)
    return {
      trouble: describeProblem(problem),
      waitMs: retryAfterMs(response),
      published: problem.published ?? 0,
    }
  }

  async #pause(batch: Batch, trouble: string, atLeastMs: number): Promise<void> {
    const waitMs = this.#backoff.next(atLeastMs)
    if (waitMs === undefined) throw new Failure(`gave up: ${trouble}. ${uncertainty(batch)}`)
    this.#options.onTrouble(trouble)
    await sleep(waitMs)
  }
}

function receiptOf(batch: Batch, answer: Record<string, unknown>): Receipt {
  const { published, duplicates, id } = answer
  if (published === batch.lines.length)
    return { published, duplicates: Number(duplicates ?? 0), id: String(id) }
  const told = JSON.stringify(answer)
  throw new Failure(`the hub's answer to ${batch.lines.length} lines makes no sense (is it a hub?): ${told}`)
}

// The hub counts lines within the batch; whoever gave the input counts from its beginning.
function refusal(batch: Batch, problem: Problem): Failure {
  const line = problem.line === undefined ? undefined : batch.lines[problem.line - 1]
  const text = describeProblem(problem)
  const message = line === undefined ? text : `line ${line.number}: ${text.replace(/^Line \d+: /, '')}`
  return new PartialFailure(message, problem.published ?? 0)
}

/** A refused batch of which the hub kept the first lines. */
export class PartialFailure extends Failure {
  readonly published: number

  constructor(message: string, published: number) {
    super(message)
    this.published = published
  }
}

function uncertainty({ lines }: Batch): string {
  const [first, last] = [lines[0]?.number, lines.at(-1)?.number]
  return first === last
    ? `Line ${first} may be published`
    : `Some of lines ${first} to ${last} may be published`
}
