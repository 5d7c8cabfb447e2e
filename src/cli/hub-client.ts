// How the commands talk to a hub: one HTTP/2 connection, and what its answers and failures mean.

import { Agent, type Dispatcher } from 'undici'
import { loadClientSettings } from '../config/client.ts'
import { patternFault, topicFault } from '../event.ts'
import { usageFailure } from './failure.ts'

export interface HubClient {
  readonly url: string
  readonly agent: Agent
  readonly token: string | undefined
}

/** What a problem document says (RFC 9457), as far as it is one. */
export interface Problem {
  readonly status: number
  readonly code?: string
  readonly title?: string
  readonly detail?: string
  readonly line?: number
  readonly published?: number
}

// Names are the hub's to judge, this is only what no hub takes: see `maxTopicNameBytes`.
const MAX_NAME_BYTES = 4096

/** Errors: MILLRACE_CONFIG_INVALID. */
export function openHubClient(flags: {
  readonly url?: string
  readonly cacert?: string
  readonly tokenFile?: string
}): HubClient {
  const { url, ca, token } = loadClientSettings(flags)
  const connect = ca === undefined ? {} : { ca: [...ca] }
  return { url, token, agent: new Agent({ connections: 1, connect: { ...connect, timeout: 10_000 } }) }
}

/** The path of a topic. Checked first, because a URL would resolve `..` on the way. */
export function topicPath(topic: string): string {
  const fault = topicFault(topic, MAX_NAME_BYTES)
  if (fault !== undefined) throw usageFailure(`the topic '${topic}' ${fault}`)
  return `/topics/${topic.split('/').map(encodeURIComponent).join('/')}`
}

export function feedPath(names: readonly string[]): string {
  for (const name of names) {
    const fault = patternFault(name, MAX_NAME_BYTES)
    if (fault !== undefined) throw usageFailure(`the topic or pattern '${name}' ${fault}`)
  }
  return `/feed?${names.map(name => `topic=${encodeURIComponent(name)}`).join('&')}`
}

export function requestHub(
  { url, agent, token }: HubClient,
  path: string,
  options: Omit<Dispatcher.RequestOptions, 'origin' | 'path' | 'headers'> & {
    readonly headers: Record<string, string>
  },
): Promise<Dispatcher.ResponseData> {
  const { origin, pathname } = new URL(url)
  // A hub may stand below a path of its proxy.
  const headers = { ...options.headers, ...(token !== undefined && { authorization: `Bearer ${token}` }) }
  return agent.request({ ...options, headers, origin, path: pathname.replace(/\/$/, '') + path })
}

/** Reads the whole answer, so that the stream is free for the next request. */
export async function readJson(response: Dispatcher.ResponseData): Promise<Record<string, unknown>> {
  const text = await response.body.text()
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

export async function readProblem(response: Dispatcher.ResponseData): Promise<Problem> {
  return { ...(await readJson(response)), status: response.statusCode }
}

export function describeProblem({ status, code, title, detail }: Problem): string {
  const text = (detail ?? title ?? `the hub answered ${status}`).replace(/\.$/, '')
  // Here it is not a header that brings it.
  const hint = code === 'MILLRACE_TOKEN_MISSING' ? ': MILLRACE_TOKEN or --token-file brings a token' : ''
  return `${text} (${code ?? status})${hint}`
}

/** Whether the same request can succeed a little later. */
export function isPassing({ status, code }: Problem): boolean {
  if (status === 429 || status >= 500) return true
  // An earlier attempt is still being taken in, or the connection broke under it.
  return code === 'MILLRACE_BODY_CUT' || status === 408
}

/** Milliseconds that Retry-After asks for (RFC 9110, section 10.2.3); 0 without one. */
export function retryAfterMs(response: Dispatcher.ResponseData): number {
  const value = String(response.headers['retry-after'] ?? '')
  if (/^\d+$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  return Number.isNaN(date) ? 0 : Math.max(0, date - Date.now())
}

const CERTIFICATE_FAULT = /CERT|SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|HOSTNAME_MISMATCH/

/** Says why trying again is no use, or returns undefined. */
export function hopelessReason(error: unknown): string | undefined {
  const code = codeOf(error)
  if (CERTIFICATE_FAULT.test(code)) {
    return `the hub's certificate is not trusted (${code}): name its CA with --cacert FILE`
  }
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_PACKET_LENGTH_TOO_LONG') {
    return 'the hub does not speak TLS: use an http:// URL'
  }
  return undefined
}

export function describeTrouble(error: unknown): string {
  const code = codeOf(error)
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  if (code === 'ENOTFOUND') return 'there is no such host'
  return error instanceof Error && error.message !== '' ? error.message : code
}

function codeOf(error: unknown): string {
  return (error as Partial<NodeJS.ErrnoException> | null)?.code ?? ''
}
