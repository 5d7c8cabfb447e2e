// Where the Mercure protocol is spoken, and the topics of the log that hold what it keeps.

import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../../errors.ts'
import { originOf } from '../../http/public-origin.ts'

/** Behind the prefix of the routes, as all paths here. */
export const HUB_PATH = '/.well-known/mercure'
export const SUBSCRIPTIONS_PATH = `${HUB_PATH}/subscriptions`
/** Of the metadata of the protected resource (RFC 9728, section 3.1: the resource's path comes behind). */
export const METADATA_PATH = `/.well-known/oauth-protected-resource${HUB_PATH}`

/** The topic of the log that holds all updates. */
export const UPDATES = '.well-known/mercure'
/** Events about subscriptions stand apart: clients that come and go must not push updates out of the history. */
export const SUBSCRIPTION_EVENTS = '.well-known/mercure/subscriptions'

/**
 * The hub's URL as the client of this request sees it: what relative topics and patterns are resolved against. What a host
 * calls itself that nobody checked decides nothing. Errors: MILLRACE_REQUEST_INVALID.
 */
export function hubUrl(request: FastifyRequest): string {
  const { publicOrigin, checksHost } = request.server
  const url = `${publicOrigin === undefined && !checksHost ? UNKNOWN_ORIGIN : originOf(request)}${hubPath(request)}`
  if (URL.canParse(url)) return url
  throw new MillraceError('MILLRACE_REQUEST_INVALID', 'The host of the request is none.')
}

/** From the root of the server. */
export function hubPath(request: FastifyRequest): string {
  return request.server.prefix + HUB_PATH
}

/** Where the subscriptions of the hub with this URL are, from the root of its server. */
export function subscriptionsPath(hub: string): string {
  return `${new URL(hub).pathname}/subscriptions`
}

const UNKNOWN_ORIGIN = 'https://hub.invalid'

/** Percent-encodes all but unreserved characters (RFC 3986, section 2.3), as a variable of a simple template is. */
export function encodeSegment(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
