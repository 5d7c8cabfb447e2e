// Every option of the hub: one schema that makes validation, `--help`, the environment's names and
// docs/reference/configuration.md. Each group of options has a file beside this one.

import { Type, type Static } from 'typebox'
import { accessOptions } from './access-options.ts'
import { compressionOptions } from './compression-options.ts'
import { connectionOptions } from './connection-options.ts'
import { eventLogOptions } from './event-log-options.ts'
import { listeningOptions } from './listening-options.ts'
import { loggingOptions } from './logging-options.ts'
import { mercureOptions } from './mercure-options.ts'
import { publishingOptions } from './publishing-options.ts'
import { receivingOptions } from './receiving-options.ts'

export const configSchema = Type.Object(
  {
    ...listeningOptions,
    ...accessOptions,
    ...eventLogOptions,
    ...mercureOptions,
    ...publishingOptions,
    ...receivingOptions,
    ...compressionOptions,
    ...connectionOptions,
    ...loggingOptions,
  },
  { additionalProperties: false },
)

type Options = Static<typeof configSchema>
export type OptionName = keyof Options
type ReadonlyValue<T> = T extends readonly (infer Item)[] ? readonly Item[] : T

/** What `loadConfig` returns: every option has its value, and the whole is frozen. */
export type Config = {
  readonly [Name in Exclude<OptionName, OptionalName>]: ReadonlyValue<Options[Name]>
} & { readonly [Name in OptionalName]: string | undefined }

/** These have no default. */
type OptionalName = 'publicUrl' | 'cert' | 'key' | 'jwtKey' | 'jwtKeyFile' | 'jwksUrl' | 'apiKeysFile'

/** What one source sets: some of the options, checked one by one. */
export type GivenOptions = { readonly [Name in OptionName]?: Config[Name] }

/** What this project reads of an option's schema, whatever its type. */
export interface OptionSchema {
  readonly type?: 'integer' | 'string' | 'boolean' | 'array'
  readonly enum?: readonly string[]
  /** It takes an integer within its bounds, or this word. */
  readonly orWord?: string
  readonly group: string
  readonly description: string
  readonly default?: string | number | boolean
  /** The default in words, where it depends on another option. */
  readonly defaultNote?: string
  /** What turning it off does, for the `--no-` flag. */
  readonly offDescription?: string
  readonly placeholder?: string
  /** It has no flag: command lines are for all to see. */
  readonly isSecret?: boolean
  readonly unit?: string
  readonly minimum?: number
  readonly maximum?: number
  readonly minLength?: number
}

export const OPTIONS = configSchema.properties as unknown as Readonly<Record<OptionName, OptionSchema>>
export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[]

/** What runs when nothing is set: loopback, and open to all of it. */
export const DEFAULTS: Config = Object.freeze({
  ...(Object.fromEntries(OPTION_NAMES.map(name => [name, OPTIONS[name].default])) as unknown as Config),
  corsOrigin: Object.freeze([]),
  jwtAlgorithms: Object.freeze([]),
  jwtIssuer: Object.freeze([]),
  jwtAudience: Object.freeze([]),
  trustProxy: Object.freeze([]),
  allowedHost: Object.freeze([]),
  retention: Object.freeze([]),
  compressionExclude: Object.freeze([]),
  anonymousPublish: Object.freeze(['**']),
  anonymousReceive: Object.freeze(['**']),
})
