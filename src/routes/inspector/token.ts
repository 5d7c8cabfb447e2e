// POST /inspector/api/token: what a token says and may do, and whether this hub takes it. It is in the body, so in no log.

import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { grantOfClaims } from '../../auth/claims.ts'
import type { Grant } from '../../auth/grant.ts'
import { readUnverified, tokenIn, type UnverifiedToken } from '../../auth/unverified-token.ts'
import { MillraceError } from '../../errors.ts'
import { readText } from '../../http/body.ts'
import type { TokenReport } from '../../protocol/inspector.ts'
import { problemResponses } from '../schemas.ts'
import type { InspectorContext } from './context.ts'

// More than any header carries.
const MAX_TOKEN_BYTES = 65_536

export function tokenRoute(app: FastifyInstance, { limits, options }: InspectorContext): void {
  app.post(
    '/inspector/api/token',
    {
      config: { bodies: ['text/plain'] },
      schema: {
        summary: 'Explain a token',
        description:
          'What the token in the body says and may do, and why it is not taken. Needs an admin grant.',
        tags: ['operate'],
        response: { 200: tokenReport, ...problemResponses },
      },
    },
    async (request, reply) => {
      const text = await readText(request, { ...limits, maxBodyBytes: MAX_TOKEN_BYTES })
      reply.header('cache-control', 'no-store')
      return reportOf(tokenIn(text), options.grantOf)
    },
  )
}

async function reportOf(
  token: string,
  grantOf: (token: string) => Grant | Promise<Grant>,
): Promise<TokenReport> {
  const said = readUnverified(token)
  try {
    return { isGood: true, ...describe(await grantOf(token)), ...said }
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error
    const problem = { code: error.code, detail: error.message }
    return { isGood: false, problem, ...describe(wouldBe(token, said)), ...said }
  }
}

/** What it would grant if it were good. */
function wouldBe(token: string, said: UnverifiedToken | undefined): Grant | undefined {
  if (said === undefined) return undefined
  try {
    return grantOfClaims({ typ: said.header.typ, claims: said.claims }, token)
  } catch {
    return undefined
  }
}

function describe(grant: Grant | undefined): Omit<TokenReport, 'isGood' | 'problem'> {
  if (grant === undefined) return { publish: [], receive: [], presence: [], isAdmin: false }
  const { name, expiresAt, rights } = grant
  return {
    ...(name !== undefined && { name }),
    ...(isFinite(expiresAt) && { expiresAt }),
    publish: rights.publish,
    receive: rights.receive,
    presence: rights.presence,
    isAdmin: rights.isAdmin,
  }
}

const anyObject = Type.Object({}, { additionalProperties: true })

const tokenReport = Type.Object({
  isGood: Type.Boolean(),
  problem: Type.Optional(Type.Object({ code: Type.String(), detail: Type.String() })),
  name: Type.Optional(Type.String()),
  expiresAt: Type.Optional(Type.Number()),
  publish: Type.Array(Type.String()),
  receive: Type.Array(Type.String()),
  presence: Type.Array(Type.String()),
  isAdmin: Type.Boolean(),
  header: Type.Optional(anyObject),
  claims: Type.Optional(anyObject),
})
