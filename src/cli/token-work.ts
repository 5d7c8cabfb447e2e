// What `millrace token` does.

import { createPrivateKey, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { text as readAll } from 'node:stream/consumers'
import { importJWK, SignJWT, type CryptoKey, type JWK, type JWTPayload } from 'jose'
import { isApiKey, makeApiKey } from '../auth/api-keys.ts'
import { Authenticator } from '../auth/authenticator.ts'
import { GRANT_CLAIM, patternsFault } from '../auth/claims.ts'
import { readUnverified, tokenIn } from '../auth/unverified-token.ts'
import { loadToken } from '../config/client.ts'
import { environment } from '../config/environment.ts'
import { appendKey } from './append-key.ts'
import { Failure, usageFailure } from './failure.ts'

export interface GrantFlags {
  readonly publish: readonly string[]
  readonly receive: readonly string[]
  readonly presence: readonly string[]
  readonly admin?: true
}

export interface MintFlags extends GrantFlags {
  readonly mercurePublish: readonly string[]
  readonly mercureSubscribe: readonly string[]
  readonly subject?: string
  readonly expires: number
  readonly issuer?: string
  readonly audience?: string
  readonly keyFile?: string
  readonly algorithm?: string
  readonly keyId?: string
}

export interface ExplainFlags {
  readonly tokenFile?: string
  readonly keyFile?: string
}

export interface KeyFlags extends GrantFlags {
  readonly file: string
  readonly expires?: number
}

export async function mint(flags: MintFlags): Promise<void> {
  const { subject, expires, issuer, audience, keyFile, keyId } = flags
  const now = Math.floor(Date.now() / 1000)
  const claims: JWTPayload = {
    ...grantClaims(flags),
    ...(subject !== undefined && { sub: subject }),
    ...(issuer !== undefined && { iss: issuer }),
    ...(audience !== undefined && { aud: audience }),
    iat: now,
    exp: now + expires,
  }
  const { key, algorithm } = await signingKey(keyTextOf(keyFile, 'MILLRACE_JWT_KEY or --key-file'))
  const header = { alg: flags.algorithm ?? algorithm, ...(keyId !== undefined && { kid: keyId }) }
  if (grantsNothing(flags))
    process.stderr.write('millrace: this token grants nothing: see --publish, --receive\n')
  try {
    process.stdout.write(`${await new SignJWT(claims).setProtectedHeader(header).sign(key)}\n`)
  } catch (error) {
    throw new Failure(`the key cannot sign with ${header.alg}: ${(error as Error).message}`)
  }
}

function grantsNothing({ publish, receive, presence, admin, ...mercure }: MintFlags): boolean {
  const granted = [publish, receive, presence, mercure.mercurePublish, mercure.mercureSubscribe]
  return admin !== true && granted.every(topics => topics.length === 0)
}

/** A token of Mercure's alone is one of draft 7, which is what its hubs and clients in the field know. */
function grantClaims(flags: MintFlags): JWTPayload {
  const { publish, receive, presence, admin, mercurePublish, mercureSubscribe } = flags
  const isMercures = mercurePublish.length + mercureSubscribe.length > 0
  const isOurs = publish.length + receive.length + presence.length > 0 || admin === true || !isMercures
  return {
    ...(isMercures && { mercure: { publish: mercurePublish, subscribe: mercureSubscribe } }),
    ...(isOurs && {
      [GRANT_CLAIM]: { publish, receive, ...(presence.length > 0 && { presence }), ...(admin && { admin }) },
    }),
  }
}

async function signingKey(
  text: string,
): Promise<{ key: KeyObject | CryptoKey | Uint8Array; algorithm: string }> {
  try {
    if (text.startsWith('-----BEGIN')) {
      const key = createPrivateKey(text)
      return { key, algorithm: algorithmOf(key) }
    }
    if (text.startsWith('{')) {
      const jwk = JSON.parse(text) as JWK
      const algorithm = jwk.alg ?? algorithmOf(createPrivateKey({ key: jwk, format: 'jwk' }))
      return { key: await importJWK(jwk, algorithm), algorithm }
    }
  } catch {
    throw new Failure('the key cannot sign: it is no private key in PEM or JWK')
  }
  const key = Buffer.from(text)
  if (key.length < 32) throw new Failure('a secret has at least 32 bytes: openssl rand -base64 48 makes one')
  return { key, algorithm: 'HS256' }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string {
  const curves: Record<string, string> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
  if (asymmetricKeyType === 'rsa') return 'RS256'
  return curves[asymmetricKeyDetails?.namedCurve ?? ''] ?? 'EdDSA'
}

function keyTextOf(file: string | undefined, sources: string): string {
  const text = file === undefined ? environment.MILLRACE_JWT_KEY : readText(file)
  if (text === undefined || text.trim() === '') throw usageFailure(`a key is needed: ${sources}`)
  return text.trim()
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${(error as Error).message}`)
  }
}

export async function explain({ tokenFile, keyFile }: ExplainFlags): Promise<void> {
  const token = tokenIn(await givenToken(tokenFile))
  if (token === '')
    throw usageFailure('there is no token: stdin, --token-file and MILLRACE_TOKEN may have one')
  if (isApiKey(token)) {
    process.stdout.write(
      `An API key: its entry in the file of keys, '${token.split('_')[1]}', says what it may do.\n`,
    )
    return
  }
  const lines = describeToken(token)
  const hasKey = keyFile !== undefined || Boolean(environment.MILLRACE_JWT_KEY)
  const fault = hasKey ? await faultOf(token, keyTextOf(keyFile, '--key-file')) : undefined
  if (!hasKey) lines.push('Not verified: its key was not given (MILLRACE_JWT_KEY, --key-file).')
  else if (fault === undefined) lines.push('It is good.')
  process.stdout.write(`${lines.join('\n')}\n`)
  if (fault !== undefined) throw new Failure(fault)
}

/** What is piped in goes before the environment: `millrace token mint | millrace token explain`. */
async function givenToken(file: string | undefined): Promise<string> {
  if (file !== undefined) return loadToken(file) ?? ''
  const piped = process.stdin.isTTY ? '' : await readAll(process.stdin)
  if (piped.trim() !== '') return piped
  return loadToken(undefined) ?? (process.stdin.isTTY ? readAll(process.stdin) : '')
}

function describeToken(token: string): string[] {
  const said = readUnverified(token)
  if (said === undefined) throw new Failure('this is no token: a JWT has three parts with a dot between them')
  const { header, claims } = said
  const { publish, receive, presence, admin } = (claims[GRANT_CLAIM] ?? {}) as Record<string, unknown>
  const rows: [string, string][] = [
    ['signed', `${header.alg}${header.kid === undefined ? '' : `, key ${plainly(header.kid)}`}`],
    ['holder', claims.sub === undefined ? 'nobody in particular' : plainly(claims.sub)],
    ...(claims.iss === undefined ? [] : [['issuer', plainly(claims.iss)] as [string, string]]),
    ...(claims.aud === undefined
      ? []
      : [['audience', [claims.aud].flat().map(plainly).join(', ')] as [string, string]]),
    ...(claims.nbf === undefined ? [] : [['not before', momentOf(claims.nbf)] as [string, string]]),
    ['expires', claims.exp === undefined ? 'never' : momentOf(claims.exp)],
    ['publish', listOf(publish)],
    ['receive', listOf(receive)],
    ...(presence === undefined ? [] : [['presence', listOf(presence)] as [string, string]]),
    ...(admin === true ? [['admin', 'yes'] as [string, string]] : []),
  ]
  return rows.map(([name, value]) => `${name.padEnd(11)} ${value}`)
}

function listOf(value: unknown): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return 'nothing'
  const fault = patternsFault(value)
  return fault === undefined ? (value as string[]).join(', ') : `${JSON.stringify(value)}, which ${fault}`
}

/** What somebody else wrote, without what could forge lines of ours. */
function plainly(text: unknown): string {
  return JSON.stringify(text).replace(/^"(.*)"$/, '$1')
}

function momentOf(seconds: number): string {
  if (!(Math.abs(seconds) < 8e12)) return `${plainly(seconds)}, which is no date`
  const left = Math.round(seconds - Date.now() / 1000)
  const span = Math.abs(left) < 120 ? `${Math.abs(left)} s` : `${Math.round(Math.abs(left) / 60)} min`
  return `${new Date(seconds * 1000).toISOString()} (${left < 0 ? `${span} ago` : `in ${span}`})`
}

/** Why a hub with this key would not take it; undefined if it would. Issuer and audience are not looked at. */
async function faultOf(token: string, jwtKey: string): Promise<string | undefined> {
  const options = {
    jwksUrl: undefined,
    jwksMaxAgeMs: 0,
    jwtAlgorithms: [],
    jwtIssuer: [],
    jwtAudience: [],
    anonymous: { publish: [], receive: [] },
  }
  const authenticator = new Authenticator(options, { jwtKey, apiKeys: undefined })
  try {
    await authenticator.grantOf(token)
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

export async function addKey(
  name: string,
  { file, publish, receive, presence, admin, expires }: KeyFlags,
): Promise<void> {
  const { key, entry } = makeApiKey({
    name,
    publish,
    receive,
    ...(presence.length > 0 && { presence }),
    ...(admin && { admin }),
    ...(expires !== undefined && { expires: new Date(Date.now() + expires * 1000).toISOString() }),
  })
  await appendKey(file, entry)
  process.stdout.write(`${key}\n`)
  process.stderr.write(
    `millrace: this is the only time that the key is shown; ${file} has its hash, as '${entry.id}'\n`,
  )
}
