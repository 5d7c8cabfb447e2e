// PUT and DELETE /session: a page's token becomes a cookie, since an EventSource cannot send headers.

import type { FastifyReply } from 'fastify'
import { MillraceError } from '../errors.ts'
import type { RoutePlugin } from './context.ts'
import { problemResponses } from './schemas.ts'

// A token that never expires makes a cookie that ends with the browser.
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Strict'

export const sessionRoutes: RoutePlugin = async (app, { authCookie }) => {
  app.put(
    '/session',
    {
      schema: {
        summary: 'Keep the token of this request as a cookie',
        description: 'For pages: an `EventSource` cannot send an `Authorization` header, but sends cookies.',
        tags: ['access'],
        response: { 204: { type: 'null', description: 'The cookie is set' }, ...problemResponses },
      },
    },
    async (request, reply) => {
      const { token, expiresAt } = request.grant
      if (token === undefined) {
        throw new MillraceError('MILLRACE_TOKEN_MISSING', 'Send the token as `Authorization: Bearer`.')
      }
      const maxAge = Math.floor((expiresAt - Date.now()) / 1000)
      return setCookie(
        reply,
        `${authCookie}=${token}; ${ATTRIBUTES}${isFinite(maxAge) ? `; Max-Age=${maxAge}` : ''}`,
      )
    },
  )

  app.delete(
    '/session',
    {
      config: { isPublic: true },
      schema: {
        summary: 'Forget the cookie',
        tags: ['access'],
        response: { 204: { type: 'null', description: 'The cookie is gone' }, ...problemResponses },
      },
    },
    async (_request, reply) => setCookie(reply, `${authCookie}=; ${ATTRIBUTES}; Max-Age=0`),
  )
}

function setCookie(reply: FastifyReply, cookie: string): FastifyReply {
  return reply.code(204).header('set-cookie', cookie).header('cache-control', 'no-store').send(null)
}
