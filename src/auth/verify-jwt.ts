// Verifies a JWT with the key that it names, or with each in turn that it could have been signed with.

import {
  errors,
  jwtVerify,
  type CryptoKey,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
} from 'jose'
import type { Jwt } from './grant.ts'

/** Whoever forges a token without a `kid` has the hub try this many keys, so they are few. */
export const MAX_KEYS_TRIED = 5

/** Errors: those of jose, and those of `find`. */
export async function verifyJwt(
  token: string,
  find: JWTVerifyGetKey,
  checks: JWTVerifyOptions,
): Promise<Jwt> {
  try {
    return jwtOf(await jwtVerify(token, find, checks))
  } catch (error) {
    if (error instanceof errors.JWKSMultipleMatchingKeys) return verifyWithEach(token, error, checks)
    throw error
  }
}

async function verifyWithEach(
  token: string,
  keys: errors.JWKSMultipleMatchingKeys,
  checks: JWTVerifyOptions,
): Promise<Jwt> {
  let tried = 0
  for await (const key of keys) {
    if (tried++ === MAX_KEYS_TRIED) break
    try {
      return jwtOf(await jwtVerify(token, key, checks))
    } catch (error) {
      if (!isOfKey(error)) throw error
    }
  }
  throw new errors.JWSSignatureVerificationFailed()
}

function jwtOf({ protectedHeader, payload }: JWTVerifyResult): Jwt {
  return { typ: protectedHeader.typ, claims: payload }
}

/** Whether another key may do: this one did not sign, or cannot verify anything (jose says so with errors of Node). */
function isOfKey(error: unknown): boolean {
  return error instanceof errors.JWSSignatureVerificationFailed || !(error instanceof errors.JOSEError)
}

/** What a `find` throws for `verifyJwt` to try each of these secrets. */
export function severalSecrets(secrets: readonly Uint8Array[]): errors.JWKSMultipleMatchingKeys {
  async function* each(): AsyncGenerator<Uint8Array> {
    yield* secrets
  }
  // The type of jose speaks of public keys only; `jwtVerify` takes either.
  const iterate = each as unknown as () => AsyncIterableIterator<CryptoKey>
  return Object.assign(new errors.JWKSMultipleMatchingKeys(), { [Symbol.asyncIterator]: iterate })
}
