// The options of the plugin: those of the configuration that are not the affair of the app around it, where the routes
// stand, and who may do what as the app knows it.

import type { FastifyRequest } from 'fastify'
import { takesTokens } from '../config/check.ts'
import { didYouMean } from '../config/did-you-mean.ts'
import { configOfOptions } from '../config/load.ts'
import { OPTION_NAMES, type Config, type OptionName } from '../config/schema.ts'
import { MillraceError } from '../errors.ts'
import type { TopicPattern } from '../topic-pattern.ts'

/** What a request may do. Lists that are absent grant nothing. */
export interface AppGrant {
  readonly publish?: readonly TopicPattern[] | undefined
  readonly receive?: readonly TopicPattern[] | undefined
  /** Of which topics it may see who follows them. */
  readonly presence?: readonly TopicPattern[] | undefined
  /** May read `/metrics`. Default: false. */
  readonly admin?: boolean | undefined
  /** Who that is: others may be told, rates hold for it, and only it may renew its streams. */
  readonly name?: string | undefined
  /** When it ends, and its streams with it, as a date or in milliseconds since 1970. Default: never. */
  readonly expiresAt?: Date | number | undefined
}

const APPS_OWN = [
  'port',
  'host',
  'workers',
  'tls',
  'cert',
  'key',
  'certsDir',
  'corsOrigin',
  'allowedHost',
  'trustProxy',
  'maxConnections',
  'maxConnectionsPerAddress',
  'maxOverheadRate',
  'pingIntervalMs',
  'pingTimeoutMs',
  'idleTimeoutMs',
  'headTimeoutMs',
  'inspector',
  'logLevel',
  'logFormat',
] as const satisfies readonly OptionName[]

type HubOptions = {
  readonly [Name in Exclude<OptionName, (typeof APPS_OWN)[number]>]?: Config[Name] | undefined
}

export interface MillraceOptions extends HubOptions {
  /** Where the routes stand: `/push` makes `/push/topics/...` and `/push/feed`. */
  readonly prefix: string
  /**
   * What the request may do, by what the app knows of it (a session, say). Nothing: what its token grants, if the hub takes
   * tokens, else what anonymous clients may do. What it throws is answered as whatever else the app throws.
   */
  readonly authorize?:
    | ((request: FastifyRequest) => AppGrant | null | undefined | Promise<AppGrant | null | undefined>)
    | undefined
}

export interface CheckedOptions {
  readonly config: Config
  /** Keys of tokens were given. */
  readonly takesTokens: boolean
}

const HUB_OPTIONS = OPTION_NAMES.filter(name => !(APPS_OWN as readonly string[]).includes(name))
const KNOWN: readonly string[] = ['prefix', 'authorize', ...HUB_OPTIONS]

/** Errors: MILLRACE_CONFIG_INVALID. */
export function checkOptions(options: MillraceOptions): CheckedOptions {
  const { prefix, authorize, ...others } = options
  const unknown = Object.keys(options).find(name => !KNOWN.includes(name))
  const fault =
    (unknown === undefined ? undefined : unknownFault(unknown)) ??
    prefixFault(prefix) ??
    authorizeFault(authorize)
  if (fault !== undefined) throw new MillraceError('MILLRACE_CONFIG_INVALID', fault)
  const { config, given } = configOfOptions(others)
  if (authorize !== undefined || takesTokens(given)) return { config, takesTokens: takesTokens(given) }
  if (given.anonymousPublish !== undefined || given.anonymousReceive !== undefined)
    return { config, takesTokens: false }
  throw new MillraceError('MILLRACE_CONFIG_INVALID', NOBODY_MAY)
}

const NOBODY_MAY =
  'nothing says who may use the hub. Give it `authorize`, which says what a request may do, or a key for tokens (jwtKey, ' +
  "jwtKeyFile, jwksUrl, apiKeysFile), or say what anyone may do: anonymousReceive: ['**'] lets all clients receive everything"

function unknownFault(name: string): string {
  if ((APPS_OWN as readonly string[]).includes(name))
    return `the option '${name}' is for a hub with a server of its own`
  const meant = didYouMean(name, KNOWN)
  return `the plugin has no option '${name}'${meant === undefined ? '' : `: did you mean '${meant}'?`}`
}

function prefixFault(prefix: unknown): string | undefined {
  if (typeof prefix === 'string' && /^(\/[\w.~-]+)+$/.test(prefix)) return undefined
  const what = prefix === undefined ? 'is missing' : `is ${JSON.stringify(prefix)}`
  return `the option 'prefix' ${what}, but the routes need a place of their own, such as '/push'`
}

function authorizeFault(authorize: unknown): string | undefined {
  return authorize === undefined || typeof authorize === 'function'
    ? undefined
    : "the option 'authorize' takes a function of the request"
}
