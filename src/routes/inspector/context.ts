// What the inspector's routes are given beside what every route is.

import type { Grant } from '../../auth/grant.ts'
import type { HubFigures } from '../../hub/figures.ts'
import type { RouteContext } from '../context.ts'

export interface InspectorOptions {
  /** Whoever reaches the hub runs it: it listens on loopback, and takes no tokens. */
  readonly isOpen: boolean
  /** What this thread has counted. */
  readonly readFigures: () => Promise<HubFigures>
  /** Errors: those of `Authenticator.grantOf`. */
  readonly grantOf: (token: string) => Grant | Promise<Grant>
  /** Of the log, as it was configured. */
  readonly logName: string
}

export interface InspectorContext extends RouteContext {
  readonly options: InspectorOptions
}

/** Errors: MILLRACE_TOKEN_MISSING, MILLRACE_FORBIDDEN. */
export function requireOperator({ options }: InspectorContext, grant: Grant): void {
  if (options.isOpen) grant.requireAdmin()
  else grant.requireAdminToken()
}
