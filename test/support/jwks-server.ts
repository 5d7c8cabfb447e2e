// An issuer of tokens: its keys, at an address that can be made to go away, and tokens that they sign.

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, SignJWT, type JWK } from 'jose'
import type { Test } from 'tap'

export const AUDIENCE = 'https://hub.example.org'

export interface Issuer {
  readonly jwksUrl: string
  /** What stands at the address. */
  keys: JWK[]
  isAway: boolean
  /** How often it was asked. */
  requests: number
}

export async function startIssuer(t: Test, keys: JWK[]): Promise<Issuer> {
  const server = createServer((_request, response) => {
    issuer.requests++
    response.statusCode = issuer.isAway ? 503 : 200
    response.end(JSON.stringify({ keys: issuer.keys }))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
  const issuer: Issuer = { jwksUrl, keys, isAway: false, requests: 0 }
  return issuer
}

export interface IssuerKey {
  readonly jwk: JWK
  readonly privateKey: KeyObject
}

export async function makeKey(kid: string): Promise<IssuerKey> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return { jwk: { ...(await exportJWK(publicKey)), kid }, privateKey }
}

/** A token that may receive and publish everything. */
export function signedWith({ jwk, privateKey }: IssuerKey, sub = 'ann'): Promise<string> {
  return new SignJWT({ millrace: { publish: ['**'], receive: ['**'] }, sub, aud: AUDIENCE })
    .setProtectedHeader({ alg: 'ES256', kid: jwk.kid! })
    .setExpirationTime('5m')
    .sign(privateKey)
}
