// GET /openapi.json: the HTTP interface, described from the routes' own schemas.

import swagger from '@fastify/swagger'
import type { FastifyInstance, RouteOptions } from 'fastify'
import { Type } from 'typebox'
import { packageVersion } from '../version.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The media types of the bodies that the route takes. It reads them itself, so no schema does. */
    bodies?: readonly string[]
  }
}

/** Register it before the routes that it is to describe. */
export async function openApiRoute(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Millrace',
        version: packageVersion,
        description: 'A push hub: REST in, Server-Sent Events out, exact resume.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      tags: [
        { name: 'publish' },
        { name: 'receive' },
        { name: 'access' },
        { name: 'mercure' },
        { name: 'operate' },
      ],
    },
    exposeHeadRoutes: true,
    transform: ({ schema, url, route }) => {
      const [name, params] = url === `${app.prefix}/topics/*` ? ['topic', topicParams] : ['rest', restParams]
      const isOpen = url.endsWith('/*')
      const described = { ...schema, ...(isOpen && { params }), ...bodyOf(route) }
      return { schema: described, url: isOpen ? url.replace('*', `:${name}`) : url }
    },
  })
  app.get(
    '/openapi.json',
    { config: { isPublic: true }, schema: { summary: 'This interface, described', tags: ['operate'] } },
    async () => app.swagger(),
  )
}

const topicParams = Type.Object({
  topic: Type.String({
    description: 'A slash-separated topic name; its slashes may stand as they are.',
  }),
})

const restParams = Type.Object({
  rest: Type.String({ description: 'What the rest of the path says, slashes and all.' }),
})

function bodyOf(route: RouteOptions): { body?: object } {
  const bodies = route.config?.bodies
  if (bodies === undefined) return {}
  return { body: { content: Object.fromEntries(bodies.map(type => [type, { schema: { type: 'string' } }])) } }
}
