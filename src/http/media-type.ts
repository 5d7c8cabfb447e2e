// What a request says about media types: which it sends, and which of ours it would rather have.

import type { FastifyRequest } from 'fastify'
import { MillraceError } from '../errors.ts'

export const NDJSON_MEDIA_TYPE = 'application/x-ndjson'

export type BodyKind = 'text' | 'json' | 'ndjson'

/** Errors: MILLRACE_MEDIA_TYPE_UNSUPPORTED for what is not text in UTF-8. */
export function bodyKind(request: FastifyRequest): BodyKind {
  const header = request.headers['content-type']
  const encoding = request.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    throw unsupported(`Bodies with content-encoding '${encoding}' are not taken: send them uncompressed.`)
  }
  if (header === undefined) return 'text'
  const [name = '', ...parameters] = header.split(';').map(part => part.trim().toLowerCase())
  const charset = parameters
    .find(parameter => parameter.startsWith('charset='))
    ?.slice(8)
    .replaceAll('"', '')
  if (charset !== undefined && !UTF8_CHARSETS.has(charset)) {
    throw unsupported(`The charset '${charset}' is not taken: send UTF-8.`)
  }
  return kindOf(name)
}

// ASCII is UTF-8 too.
const UTF8_CHARSETS: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii'])

function kindOf(name: string): BodyKind {
  if (name === NDJSON_MEDIA_TYPE || name === 'application/ndjson' || name === 'application/jsonl')
    return 'ndjson'
  if (name === 'application/json' || name.endsWith('+json')) return 'json'
  // What `curl -d` sends when nothing is said: the body is taken as it stands.
  if (name.startsWith('text/') || name === 'application/x-www-form-urlencoded') return 'text'
  if (name.endsWith('+xml') || name === 'application/xml') return 'text'
  throw unsupported(
    `'${name}' is not taken: send text, JSON or ${NDJSON_MEDIA_TYPE}; encode binary data first.`,
  )
}

function unsupported(detail: string): MillraceError {
  return new MillraceError('MILLRACE_MEDIA_TYPE_UNSUPPORTED', detail)
}

/**
 * The one of the offered media types that the request likes best; the first of them when it does not say. Undefined
 * when it accepts none. (RFC 9110, section 12.5.1, without parameters other than `q`.)
 */
export function preferredType<T extends string>(
  accept: string | undefined,
  offered: readonly T[],
): T | undefined {
  if (accept === undefined || accept.trim() === '') return offered[0]
  const ranges = accept.split(',').map(parseRange)
  let best: T | undefined
  let bestQuality = 0
  for (const type of offered) {
    const quality = qualityOf(type, ranges)
    if (quality > bestQuality) {
      best = type
      bestQuality = quality
    }
  }
  return best
}

interface MediaRange {
  readonly range: string
  readonly quality: number
}

function parseRange(text: string): MediaRange {
  const [range = '', ...parameters] = text.split(';').map(part => part.trim().toLowerCase())
  const q = parameters.find(parameter => parameter.startsWith('q='))
  const quality = q === undefined ? 1 : Number(q.slice(2))
  return { range, quality: Number.isFinite(quality) ? quality : 0 }
}

/** The most specific range that fits decides. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  const group = `${type.split('/')[0]}/*`
  for (const wanted of [type, group, '*/*']) {
    const found = ranges.find(({ range }) => range === wanted)
    if (found !== undefined) return found.quality
  }
  return 0
}
