// What tests of Mercure share: hubs that speak it, tokens of both drafts with every part open to change, and what an
// answer must look like.

import { SignJWT } from 'jose'
import type { Test } from 'tap'
import type { RequestInit, Response } from 'undici'
import type { Config } from '../../../src/config/schema.ts'
import { startHub, type Reachable, type TestHub } from '../../support/hub.ts'
import { bearer, SECRET } from '../../support/tokens.ts'

export const HUB = '/.well-known/mercure'
export const SUBSCRIPTIONS = `${HUB}/subscriptions`
export const METADATA = `/.well-known/oauth-protected-resource${HUB}`

/** The topic of the log that stands for all updates where Millrace's own patterns grant something. */
const UPDATES = '.well-known/mercure'

export const ISSUER = 'https://issuer.example'
export const AUDIENCE = 'https://hub.example/.well-known/mercure'
export const DETAIL = 'https://mercure.rocks/authorization-detail'

/** Anyone may receive public updates and nobody may publish without a token, unless told otherwise. */
export function startMercureHub(t: Test, options: Partial<Config> = {}): Promise<TestHub> {
  return startHub(t, {
    jwtKey: SECRET,
    anonymousPublish: [],
    anonymousReceive: [UPDATES],
    anonymousMetrics: false,
    ...options,
  })
}

/** What a closed hub is started with: without a token there is nothing. */
export const CLOSED = { anonymousReceive: [] } as const

/** What opens a hub to publishers without a token. */
export const OPEN_TO_PUBLISHERS = { anonymousPublish: [UPDATES] } as const

// Tokens.

export interface Signing {
  /** Members of the protected header, beside or instead of the usual; undefined takes one away. */
  readonly header?: object
  /** The same for claims. */
  readonly claims?: object
  readonly secret?: string
}

export const now = (): number => Math.floor(Date.now() / 1000)

export function sign(claims: object, { header = {}, secret = SECRET }: Signing = {}): Promise<string> {
  const signed = new SignJWT(JSON.parse(JSON.stringify(claims)))
  const protectedHeader = JSON.parse(JSON.stringify({ alg: 'HS256', ...header })) as { alg: string }
  return signed.setProtectedHeader(protectedHeader).sign(Buffer.from(secret))
}

export interface Draft7Claim {
  readonly publish?: unknown
  readonly subscribe?: unknown
  readonly payload?: unknown
}

/** A token of draft 7: the claim `mercure`, and nothing else that it needs. */
export function draft7Token(mercure: Draft7Claim | undefined, signing: Signing = {}): Promise<string> {
  return sign({ mercure, ...signing.claims }, signing)
}

/** A token of draft 8 with all that RFC 9068 asks of issuers. */
export function draft8Token(details: unknown, signing: Signing = {}): Promise<string> {
  const claims = {
    iss: ISSUER,
    aud: AUDIENCE,
    sub: 'ann',
    client_id: 'https://app.example',
    iat: now(),
    exp: now() + 600,
    jti: `urn:uuid:${crypto.randomUUID()}`,
    authorization_details: details,
  }
  return sign({ ...claims, ...signing.claims }, { ...signing, header: { typ: 'at+jwt', ...signing.header } })
}

export type Matcher = string | { readonly match: string; readonly match_type?: string }
type Action = 'publish' | 'subscribe'

/** An authorization detail; a string is an exact matcher. */
export function may(
  actions: Action | readonly Action[],
  matchers: readonly Matcher[],
  payload?: object,
): object {
  return {
    type: DETAIL,
    actions: [actions].flat(),
    topics: matchers.map(matcher => (typeof matcher === 'string' ? { match: matcher } : matcher)),
    payload,
  }
}

export const urlpattern = (match: string): Matcher => ({ match, match_type: 'urlpattern' })

/** A part of a token that says nothing to the tests, to put one together that cannot be signed properly. */
export const base64url = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

// Requests.

export type Fields = Readonly<Record<string, string | readonly string[]>>

/** Fields, each as often as it has values. */
export function form(fields: Fields): string {
  const parameters = new URLSearchParams()
  for (const [name, values] of Object.entries(fields)) {
    for (const value of [values].flat()) parameters.append(name, value)
  }
  return parameters.toString()
}

export const FORM = 'application/x-www-form-urlencoded'

/** Posts fields, or a body as it stands. */
export function post(
  hub: Reachable,
  body: Fields | string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : form(body)
  return hub.fetch(HUB, { method: 'POST', body: text, headers: { 'content-type': FORM, ...headers } })
}

export interface Publisher {
  /** Publishes an update; returns its id. Rejects when it is refused. */
  readonly publish: (fields: Fields) => Promise<string>
  /** The same without rejecting. */
  readonly post: (body: Fields | string | Buffer) => Promise<Response>
}

export function publisherWith(hub: Reachable, token: string): Publisher {
  const send = (body: Fields | string | Buffer): Promise<Response> => post(hub, body, bearer(token))
  return {
    post: send,
    publish: async fields => {
      const response = await send(fields)
      const text = await response.text()
      if (response.status !== 200) throw new Error(`publish ${form(fields)}: ${response.status} ${text}`)
      return text
    },
  }
}

/** An address of the hub with parameters, each as often as it has values. */
export const at = (parameters: Fields, path: string = HUB): string => `${path}?${form(parameters)}`

/** Asks for something that is not expected to stream; what comes is thrown away. */
export async function statusOf(hub: TestHub, path: string, init: RequestInit = {}): Promise<number> {
  const response = await hub.fetch(path, init)
  await response.body?.cancel()
  return response.status
}

// Answers.

/** What a challenge must say: nothing for no error code, or the code. */
export type Challenge = 'none' | 'no code' | 'invalid_token' | 'invalid_request' | 'insufficient_scope'

/** Asserts a refusal: its status, its problem document (RFC 9457), and its challenge (RFC 6750, RFC 9728). */
export async function refused(
  t: Test,
  response: Response,
  status: number,
  challenge: Challenge = 'none',
  title = '',
): Promise<void> {
  t.equal(response.status, status, `${title}: the status`)
  // A stream that should have been refused has no end.
  if (response.status === 200) {
    await response.body?.cancel()
    return
  }
  const text = await response.text()
  t.match(response.headers.get('content-type'), /^application\/problem\+json/, `${title}: the media type`)
  t.match(text.startsWith('{') ? JSON.parse(text) : text, { status, title: /\S/, type: /\S/ }, title)
  if (challenge !== 'none') isChallenge(t, response.headers.get('www-authenticate'), challenge, title)
}

function isChallenge(t: Test, header: string | null, challenge: Challenge, title: string): void {
  t.match(header, /^Bearer /, `${title}: the challenge`)
  const { error, resource_metadata: metadata } = attributesOf(header ?? '')
  t.equal(error, challenge === 'no code' ? undefined : challenge, `${title}: the code in ${header}`)
  t.ok(metadata?.startsWith('http') && metadata.endsWith(METADATA), `${title}: the metadata in ${header}`)
}

/** The parameters of a challenge or a link: `name="value"`, where `\` escapes. */
export function attributesOf(header: string): Readonly<Record<string, string | undefined>> {
  const pairs = header.matchAll(/([\w-]+)="((?:[^"\\]|\\.)*)"/g)
  return Object.fromEntries([...pairs].map(([, name, value]) => [name!, value!.replace(/\\(.)/g, '$1')]))
}

/** Everything but unreserved characters, in upper case (RFC 6570, simple expansion). */
export function encoded(value: string): string {
  return encodeURIComponent(value).replace(
    /[!'()*]/g,
    character => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}

let names = 0

/** A topic that no other test knows. */
export const unique = (hint = 'topic'): string => `https://example.com/${hint}-${(names += 1)}`
