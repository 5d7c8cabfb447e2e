// Tokens for a benchmark's requests, and a header as long that is none.

import { randomBytes } from 'node:crypto'
import { SignJWT } from 'jose'
import { GRANT_CLAIM } from '../../src/auth/claims.ts'
import type { HeaderSet } from '../load/request-headers.ts'

/** As an operator makes it. */
export function newSecret(): string {
  return randomBytes(48).toString('base64')
}

/** The headers of so many holders, who may publish and receive what the pattern covers for an hour. */
export function tokenHeaders(secret: string, pattern: string, count: number): Promise<HeaderSet[]> {
  const key = Buffer.from(secret)
  const grant = { publish: [pattern], receive: [pattern] }
  return Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const jwt = new SignJWT({ sub: `holder-${at}`, [GRANT_CLAIM]: grant })
      const token = await jwt.setProtectedHeader({ alg: 'HS256' }).setExpirationTime('1h').sign(key)
      return { authorization: `Bearer ${token}` }
    }),
  )
}

/** The same bytes under a name that says nothing to the hub. */
export function asBallast(sets: readonly HeaderSet[]): HeaderSet[] {
  return sets.map(({ authorization }) => ({ 'x-no-one-asks': authorization! }))
}
