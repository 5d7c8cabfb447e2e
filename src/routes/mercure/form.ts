// Forms (`application/x-www-form-urlencoded`, WHATWG URL, section 5.1), in bodies and queries. Unlike URLSearchParams it
// tells what is not UTF-8 from what is.

import { isUtf8 } from 'node:buffer'
import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../../errors.ts'

export const FORM_MEDIA_TYPE = 'application/x-www-form-urlencoded'

/** Errors: MILLRACE_MEDIA_TYPE_UNSUPPORTED for a body that is no form. */
export function requireForm({ headers }: FastifyRequest): void {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type === FORM_MEDIA_TYPE) return
  throw new MillraceError('MILLRACE_MEDIA_TYPE_UNSUPPORTED', `Send the body as ${FORM_MEDIA_TYPE}.`)
}

export interface FormField {
  readonly name: string
  /** Undefined: it is not UTF-8. */
  readonly value: string | undefined
}

export function parseForm(text: string): FormField[] {
  return text
    .split('&')
    .filter(pair => pair !== '')
    .map(pair => {
      const equals = pair.indexOf('=')
      const name = equals < 0 ? pair : pair.slice(0, equals)
      return { name: decode(name) ?? '\ufffd', value: equals < 0 ? '' : decode(pair.slice(equals + 1)) }
    })
}

function decode(text: string): string | undefined {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  if (!spaced.includes('%')) return spaced
  const bytes = Buffer.from(spaced)
  let length = 0
  for (let at = 0; at < bytes.length; at++) {
    const digits = bytes[at] === PERCENT ? hexByte(bytes, at + 1) : undefined
    if (digits === undefined) bytes[length++] = bytes[at]!
    else {
      bytes[length++] = digits
      at += 2
    }
  }
  const decoded = bytes.subarray(0, length)
  return isUtf8(decoded) ? decoded.toString() : undefined
}

const PERCENT = 0x25

/** The byte that two hexadecimal digits stand for; anything else stands for itself. */
function hexByte(bytes: Buffer, at: number): number | undefined {
  const high = hexDigit(bytes[at])
  const low = hexDigit(bytes[at + 1])
  return high === undefined || low === undefined ? undefined : high * 16 + low
}

function hexDigit(byte: number | undefined): number | undefined {
  if (byte === undefined) return undefined
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const letter = byte | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined
}
