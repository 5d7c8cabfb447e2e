// One active subscription: which an open stream makes, the event that tells of it, and its document. Each draft has its own
// (draft 7, section 8; draft 8, section 8).

import type { Grant } from '../../auth/grant.ts'
import type { NewEvent } from '../../event.ts'
import type { OpenStream } from '../../http/event-streams.ts'
import type { Matcher } from './matcher.ts'
import { encodeSegment, SUBSCRIPTION_EVENTS, subscriptionsPath } from './paths.ts'
import { rightsOfGrant, type Draft, type MercureRights, type RightsOptions } from './rights.ts'
import type { MercureSelector } from './selection.ts'
import { eventOf, type Update } from './update.ts'

/** One matcher of one open stream. */
export interface Subscription {
  readonly draft: Draft
  /** Its topic, which is its id. */
  readonly id: string
  readonly subscriber: string
  readonly type: Matcher['type']
  readonly value: string
  readonly payload: unknown
}

/** Which of them somebody wants to know of; what is absent may be anything. */
export interface WantedSubscriptions {
  readonly draft: Draft
  readonly type?: string
  /** Of the matcher. */
  readonly value?: string
  readonly subscriber?: string
}

/** The subscriptions that an open stream makes. */
export function subscriptionsOf(
  { feed, selector, grant }: Pick<OpenStream, 'feed' | 'selector' | 'grant'>,
  options: RightsOptions,
  wanted?: WantedSubscriptions,
): Subscription[] {
  const { draft, matchers: all, url } = selector as MercureSelector
  if (wanted !== undefined && (wanted.draft !== draft || (wanted.subscriber ?? feed) !== feed)) return []
  const matchers = all.filter(
    ({ type, value }) => (wanted?.type ?? type) === type && (wanted?.value ?? value) === value,
  )
  const rights = readableRights(grant, url, options)
  const unique = new Map(matchers.map(matcher => [matcher.key, matcher]))
  return [...unique.values()].map(({ type, value }) => ({
    draft,
    id: `${subscriptionsPath(url)}/${pathOf(draft, type, value)}/${encodeSegment(feed)}`,
    subscriber: feed,
    type,
    value,
    payload: rights?.payloadOf(value),
  }))
}

/** A token that has become useless since does not keep its subscriptions from ending. */
function readableRights(grant: Grant, url: string, options: RightsOptions): MercureRights | undefined {
  try {
    return rightsOfGrant(grant, url, options)
  } catch {
    return undefined
  }
}

function pathOf(draft: Draft, type: Matcher['type'], value: string): string {
  return draft === 7 ? encodeSegment(value) : `${type}/${encodeSegment(value)}`
}

/** The event that tells of its beginning or its end. */
export function subscriptionEvent(subscription: Subscription, isActive: boolean): NewEvent {
  const { draft, id } = subscription
  const update: Update = {
    topics: [id],
    isPrivate: true,
    type: draft === 8 ? 'mercure' : undefined,
    data: JSON.stringify(documentOf(subscription, isActive), undefined, 2),
  }
  return eventOf(update, SUBSCRIPTION_EVENTS)
}

export const JSON_LD = { '@context': 'https://mercure.rocks/' } as const

/** As an event has it, and an answer about it alone. */
export function documentOf(subscription: Subscription, active: boolean): object {
  return { ...(subscription.draft === 7 && JSON_LD), ...memberOf(subscription, active) }
}

/** As a list of several has it. */
export function memberOf(
  { draft, id, subscriber, type, value, payload }: Subscription,
  active: boolean,
): object {
  const what = draft === 7 ? { topic: value } : { match: value, match_type: type }
  return {
    id,
    type: draft === 7 ? 'Subscription' : 'subscription',
    subscriber,
    ...what,
    active,
    ...(payload !== undefined && { payload }),
  }
}
