// The one error of the client: what the hub refused, with the hub's own code, or what happened on the way to it.

/** Codes of what no hub has said. */
export type ClientCode =
  /** The request failed, or was not answered in time. */
  | 'CLIENT_NO_ANSWER'
  /** Whoever answered was not the hub: a proxy, a page. */
  | 'CLIENT_STRANGE_ANSWER'
  /** The stream ended without a goodbye. */
  | 'CLIENT_CUT'
  /** The hub closed the stream; the detail says why. */
  | 'CLIENT_BYE'
  /** Not even heartbeats came. */
  | 'CLIENT_SILENCE'
  /** `token` threw; the cause is what it threw. */
  | 'CLIENT_TOKEN_FAILED'
  /** Events were lost, and the subscription has no `onGap`. */
  | 'CLIENT_GAP'

export interface ErrorFacts {
  /** Of the answer, if there was one. */
  readonly status?: number | undefined
  /** When the hub wants to be asked again, in milliseconds from then. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

export class MillraceError extends Error {
  /** One of the hub's (`MILLRACE_…`) or of the client's (`CLIENT_…`). */
  readonly code: string
  readonly status: number | undefined
  readonly detail: string
  readonly retryAfterMs: number | undefined

  constructor(code: string, detail: string, { status, retryAfterMs, cause }: ErrorFacts = {}) {
    super(`${code}: ${detail}`, { cause })
    this.name = 'MillraceError'
    this.code = code
    this.detail = detail
    this.status = status
    this.retryAfterMs = retryAfterMs
  }

  /** The hub itself has refused, and would again. */
  get isRefusal(): boolean {
    return this.code.startsWith('MILLRACE_') && this.isClientError
  }

  /** A status that blames the request, and not the moment. */
  get isClientError(): boolean {
    const { status = 0 } = this
    return status >= 400 && status < 500 && !PASSING.includes(status)
  }
}

const PASSING = [408, 425, 429]

/** For faults that this file's own code makes: narrows the code. */
export function clientError(code: ClientCode, detail: string, facts?: ErrorFacts): MillraceError {
  return new MillraceError(code, detail, facts)
}

interface Problem {
  readonly code?: unknown
  readonly detail?: unknown
}

/** What an answer that is not 2xx says. */
export async function errorOf(response: Response): Promise<MillraceError> {
  // In seconds, as hubs say it; a proxy's date (RFC 9110, section 10.2.3) is waited for like any other trouble.
  const retryAfterMs = Number(response.headers.get('retry-after')) * 1000 || undefined
  const facts = { status: response.status, retryAfterMs }
  const text = await response.text().catch(() => '')
  try {
    const { code, detail } = JSON.parse(text) as Problem
    if (typeof code === 'string') return new MillraceError(code, String(detail), facts)
  } catch {
    // A page of some proxy's.
  }
  return strangeAnswer(response, facts)
}

export function strangeAnswer(response: Response, facts: ErrorFacts = {}): MillraceError {
  const type = response.headers.get('content-type') ?? 'no type'
  return clientError(
    'CLIENT_STRANGE_ANSWER',
    `The answer is not a hub's: ${response.status}, ${type}.`,
    facts,
  )
}
