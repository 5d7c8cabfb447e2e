// What the page asks of the hub: everything that goes over the wire is named here.

import type { TopicSummary } from '../client/options.ts'
import type { GapData, OpenData } from '../protocol/control-events.ts'
import type { StreamList, TokenReport } from '../protocol/inspector.ts'
import { isNestedTooDeep, MAX_LEVELS } from '../nesting.ts'
import { openEventStream } from './event-stream.ts'
import { parseJson } from './exact-json.ts'
import { HUB, request, requestJson, type HubProblem } from './request.ts'

/** As feeds and history have it. */
export interface HubEvent {
  readonly id?: string
  readonly topic: string
  readonly type?: string
  readonly time: string
  /** Text, or what the JSON says. */
  readonly data: unknown
}

export interface HistoryPage {
  /** The oldest first. */
  readonly events: readonly HubEvent[]
  readonly state?: HubEvent
  /** Where to go on, on a stream. */
  readonly cursor: string
  /** Where the page before begins; absent at the beginning. */
  readonly before?: string
}

export interface Followers {
  readonly count: number
  readonly subscribers?: readonly { readonly name: string; readonly streams: number }[]
}

interface Abortable {
  readonly signal?: AbortSignal | undefined
}

export async function listTopics(
  after: string,
  limit: number,
  match: string,
  { signal }: Abortable = {},
): Promise<readonly TopicSummary[]> {
  const query = new URLSearchParams({ after, limit: String(limit), match })
  const { topics } = await requestJson<{ topics: TopicSummary[] }>(`topics?${query.toString()}`, { signal })
  return topics
}

/** Undefined: nothing is kept of it. Not by HEAD: a 404 stands in red in the browser's console, at each look. */
export async function topicFacts(
  topic: string,
  { signal }: Abortable = {},
): Promise<TopicSummary | undefined> {
  return (await listTopics('', 1, topic, { signal }))[0]
}

/** The page of events before this id, or the newest. */
export async function historyBefore(
  topic: string,
  before: string,
  limit: number,
  { signal }: Abortable = {},
): Promise<HistoryPage> {
  const query = new URLSearchParams({ before, limit: String(limit) })
  const page = await requestJson<HistoryPage>(`${pathOf(topic)}?${query.toString()}`, { signal })
  return { ...page, events: page.events.map(presentable) }
}

export async function topicState(topic: string, { signal }: Abortable = {}): Promise<HubEvent | undefined> {
  const { state } = await requestJson<HistoryPage>(`${pathOf(topic)}?after=earliest&limit=1`, { signal })
  return state && presentable(state)
}

/** One event must not take the page with it. */
function presentable(event: HubEvent): HubEvent {
  return isNestedTooDeep(event.data) ? { ...event, data: TOO_DEEP } : event
}

const TOO_DEEP = `The inspector does not show what is nested more than ${MAX_LEVELS} levels deep.`

export function followers(topic: string, { signal }: Abortable = {}): Promise<Followers> {
  return requestJson<Followers>(`${pathOf(topic)}/subscribers`, { signal })
}

export interface Published {
  readonly id: string
  readonly topic: string
}

export interface Publication {
  readonly topic: string
  readonly type: string
  readonly data: string
  readonly isJson: boolean
  /** It becomes the topic's state. */
  readonly isState: boolean
}

export function publish({ topic, type, data, isJson, isState }: Publication): Promise<Published> {
  const query = type === '' ? '' : `?${new URLSearchParams({ type }).toString()}`
  return requestJson<Published>(`${pathOf(topic)}${query}`, {
    method: isState ? 'PUT' : 'POST',
    body: data,
    headers: {
      'content-type': isJson ? 'application/json' : 'text/plain',
      'idempotency-key': newKey(),
    },
  })
}

/** Not `randomUUID`, which pages without TLS do not have. */
function newKey(): string {
  return `inspector-${crypto.getRandomValues(new Uint32Array(4)).join('-')}`
}

export async function deleteTopic(topic: string): Promise<void> {
  await request(pathOf(topic), { method: 'DELETE' })
}

export interface FollowHandlers {
  onOpen?(): void
  onEvent(event: HubEvent): void
  onGap(gap: GapData): void
  onReset(): void
  onAway?(problem: HubProblem): void
  onRefused?(problem: HubProblem): void
}

/** The streams of this page, by the names of their feeds. */
export const ownFeeds = new Set<string>()

/** Follows a topic from a cursor on. Returns the function that ends it. */
export function followTopic(topic: string, after: string, handlers: FollowHandlers): () => void {
  const query = new URLSearchParams({ topic, after })
  return openEventStream(`feed?${query.toString()}`, {
    ...handlers,
    onEvent({ type, data, id }) {
      if (type === 'message')
        handlers.onEvent({ ...presentable(parseJson(data) as HubEvent), ...(id !== undefined && { id }) })
      else if (type === 'millrace:gap') handlers.onGap(JSON.parse(data) as GapData)
      else if (type === 'millrace:reset') handlers.onReset()
      else if (type === 'millrace:open') ownFeeds.add((JSON.parse(data) as OpenData).feed)
    },
  })
}

export function listStreams(
  wanted: { topic?: string; search?: string; limit: number },
  { signal }: Abortable = {},
): Promise<StreamList> {
  const given = Object.entries(wanted).filter(([, value]) => value !== '')
  const query = new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
  return requestJson<StreamList>(`inspector/api/streams?${query.toString()}`, { signal })
}

export async function closeStream(feed: string): Promise<void> {
  await request(`inspector/api/streams/${encodeURIComponent(feed)}`, { method: 'DELETE' })
}

export function explainToken(text: string): Promise<TokenReport> {
  return requestJson<TokenReport>('inspector/api/token', {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'text/plain' },
  })
}

/** The slashes too: a topic may be named like a route below another one. */
function pathOf(topic: string): string {
  return `topics/${encodeURIComponent(topic)}`
}

/** What follows the topic, or publishes to it, from a shell. */
export function curlOf(
  topic: string,
  event?: { readonly type?: string | undefined; readonly text: string; readonly isJson: boolean },
): string {
  const path = topic.split('/').map(encodeURIComponent).join('/')
  const url = new URL(`topics/${path}`, HUB)
  const isOwnAuthority = url.protocol === 'https:' && /^(localhost|127\.|\[::1\])/.test(url.hostname)
  const trust = isOwnAuthority ? ' --cacert certs/ca.pem' : ''
  if (event === undefined) return `curl -N${trust} -H 'accept: text/event-stream' ${quoted(url.href)}`
  if (event.type !== undefined) url.searchParams.set('type', event.type)
  const type = event.isJson ? 'application/json' : 'text/plain'
  return `curl${trust} -H 'content-type: ${type}' --data-binary ${quoted(event.text)} ${quoted(url.href)}`
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
