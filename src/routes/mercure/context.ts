// What the routes of the Mercure protocol share.

import type { HubIds, ChosenIds } from './ids.ts'
import type { RightsOptions } from './rights.ts'
import type { RouteContext } from '../context.ts'
import type { StreamKind } from '../../http/stream-kind.ts'

export interface MercureOptions extends RightsOptions {
  /** Subscriptions are events, and can be asked for. */
  readonly mercureSubscriptions: boolean
}

export interface MercureContext extends RouteContext {
  readonly options: MercureOptions
  readonly ids: HubIds
  readonly chosenIds: ChosenIds
  readonly kind: StreamKind
}
