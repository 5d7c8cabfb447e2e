// The Mercure protocol at /.well-known/mercure: draft 7, which hubs 0.14 to 0.24 speak, and draft 8, of hub 1.0. Which of
// them applies follows from what a request uses. See docs/design/0010-mercure.md.

import type { FastifyInstance } from 'fastify'
import type { OpenStream } from '../../http/event-streams.ts'
import type { RouteContext } from '../context.ts'
import type { MercureContext, MercureOptions } from './context.ts'
import { ChosenIds, HubIds } from './ids.ts'
import { metadataRoute } from './metadata.ts'
import { SUBSCRIPTION_EVENTS, UPDATES } from './paths.ts'
import { publishRoute } from './publish.ts'
import { mercureStreams } from './stream.ts'
import { subscribeRoutes } from './subscribe.ts'
import { subscriptionEvent, subscriptionsOf } from './subscription.ts'
import { OPEN_SUBSCRIPTIONS, subscriptionRoutes } from './subscriptions.ts'
import { UpdateIndex } from './update-index.ts'

export async function mercureRoutes(
  app: FastifyInstance,
  routeContext: RouteContext,
  options: MercureOptions,
): Promise<void> {
  const { hub, streams, questions, anonymous } = routeContext
  const ids = new HubIds(hub.log.epoch)
  const chosenIds = new ChosenIds(hub)
  const tellOf = (stream: OpenStream, isActive: boolean): void => {
    if (!options.mercureSubscriptions) return
    const events = subscriptionsOf(stream, options).map(each => subscriptionEvent(each, isActive))
    // A log that takes no events now says so to its publishers; who asks for the subscriptions gets them all the same.
    hub.publish(events).catch(() => {})
  }
  const kind = mercureStreams(ids, options, anonymous, {
    opened: stream => tellOf(stream, true),
    closed: stream => tellOf(stream, false),
  })
  const context: MercureContext = { ...routeContext, options, ids, chosenIds, kind }
  hub.useIndex(UPDATES, new UpdateIndex(event => chosenIds.note(event)))
  // Few can have them, and there is one for each topic of each stream: nobody else's patterns are tried.
  hub.useIndex(SUBSCRIPTION_EVENTS, new UpdateIndex(() => {}))
  publishRoute(app, context)
  subscribeRoutes(app, context)
  metadataRoute(app, context)
  if (!options.mercureSubscriptions) return
  questions.answerWith(OPEN_SUBSCRIPTIONS, wanted =>
    [...streams.list()]
      .filter(stream => stream.kind === kind)
      .flatMap(stream => subscriptionsOf(stream, options, wanted)),
  )
  subscriptionRoutes(app, context)
}
