// The Idempotency-Key request header (draft-ietf-httpapi-idempotency-key-header): a repeated publish is kept once.

import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'
import { RequestKey } from '../log/append-key.ts'

const MAX_KEY_CHARACTERS = 255

const visibleAscii = /^[\x21-\x7e]+$/

/** Errors: MILLRACE_REQUEST_INVALID. The quotes of a structured field are no part of the key. */
export function requestKey(request: FastifyRequest): RequestKey | undefined {
  const header = request.headers['idempotency-key']
  if (header === undefined) return undefined
  const key = checkedKey(String(header).replace(/^"(.*)"$/, '$1'))
  return new RequestKey(ownKey(key, request))
}

/** Errors: MILLRACE_REQUEST_INVALID. */
export function checkedKey(key: string): string {
  if (key.length <= MAX_KEY_CHARACTERS && visibleAscii.test(key)) return key
  throw new MillraceError(
    'MILLRACE_REQUEST_INVALID',
    `Idempotency-Key takes 1 to ${MAX_KEY_CHARACTERS} visible ASCII characters.`,
  )
}

/** Nobody can use up the keys of another. A key has no space, so those of holders are none that clients could send. */
function ownKey(key: string, { grant: { holder } }: FastifyRequest): string {
  if (holder === undefined) return key
  return `${createHash('sha256').update(holder).digest('base64url').slice(0, 22)} ${key}`
}
