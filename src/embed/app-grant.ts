// Makes the hub's grants of what the app says of its requests.

import { patternsFault } from '../auth/claims.ts'
import { Grant } from '../auth/grant.ts'
import type { Authorize } from '../http/authenticate.ts'
import type { AppGrant, MillraceOptions } from './options.ts'

export function authorizeBy(ask: NonNullable<MillraceOptions['authorize']>): Authorize {
  return async request => {
    const given = await ask(request)
    return given === undefined || given === null ? undefined : grantOf(given)
  }
}

const MEMBERS: ReadonlySet<string> = new Set(['publish', 'receive', 'presence', 'admin', 'name', 'expiresAt'])

function grantOf(given: AppGrant): Grant {
  const fault = grantFault(given)
  if (fault !== undefined) throw new TypeError(`'authorize' returned a grant ${fault}`)
  const { publish = [], receive = [], presence = [], admin = false, name, expiresAt } = given
  return new Grant({
    publish,
    receive,
    presence,
    isAdmin: admin,
    name,
    ...(name !== undefined && { holder: `app ${name}` }),
    ...(expiresAt !== undefined && { expiresAt: Number(expiresAt) }),
  })
}

/** A grant that is not what the app means must not pass for a smaller or a larger one. */
function grantFault(given: AppGrant): string | undefined {
  if (typeof given !== 'object') return 'that is no object'
  const unknown = Object.keys(given).find(member => !MEMBERS.has(member))
  if (unknown !== undefined) return `with the member '${unknown}', which is not known`
  for (const list of ['publish', 'receive', 'presence'] as const) {
    const fault = given[list] === undefined ? undefined : patternsFault(given[list])
    if (fault !== undefined) return `whose '${list}' ${fault}`
  }
  const { admin, name, expiresAt } = given
  if (admin !== undefined && typeof admin !== 'boolean') return "whose 'admin' is neither true nor false"
  if (name !== undefined && typeof name !== 'string') return "whose 'name' is no text"
  if (expiresAt !== undefined && Number.isNaN(Number(expiresAt))) return "whose 'expiresAt' is no time"
  return undefined
}
