// The options of the Mercure protocol: a part of `schema.ts`.

import { Type } from 'typebox'

export const mercureOptions = {
  mercure: Type.Boolean({
    group: 'Mercure',
    default: true,
    description: 'Speak the Mercure protocol at `/.well-known/mercure`.',
    offDescription: 'Do not speak the Mercure protocol.',
  }),
  mercureSubscriptions: Type.Boolean({
    group: 'Mercure',
    default: true,
    description:
      'Tell of active Mercure subscriptions: an event when one begins or ends, and `/.well-known/mercure/subscriptions`.',
    offDescription: 'Do not tell of Mercure subscriptions.',
  }),
}
