// Resolves the configuration: defaults, then file, then environment, then flags; checked, then frozen.

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Value } from 'typebox/value'
import { MillraceError } from '../errors.ts'
import { checkConfig, isForThisMachine, takesTokens } from './check.ts'
import { didYouMean } from './did-you-mean.ts'
import { environment, type Environment } from './environment.ts'
import { MEMORY_LOG_BYTES } from './event-log-options.ts'
import { accepts, environmentName, flagName, inOptionNames, isInteger } from './option-names.ts'
import {
  configSchema,
  DEFAULTS,
  OPTION_NAMES,
  OPTIONS,
  type Config,
  type GivenOptions,
  type OptionName,
  type OptionSchema,
} from './schema.ts'

export interface ConfigSources {
  /** What the command line gave, by option name, as text or already typed; `config` names the file. */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly env?: Environment
  /** What a relative path of the configuration file starts from. */
  readonly cwd?: string
}

/** Errors: MILLRACE_CONFIG_INVALID, with a detail that names the option and where its value came from. */
export function loadConfig(sources: ConfigSources = {}): Config {
  const { flags = {}, env = environment, cwd = process.cwd() } = sources
  const given = withPublicHost({
    ...fromFile(present(flags.config) ?? present(env.MILLRACE_CONFIG), cwd),
    ...fromEnvironment(env),
    ...fromFlags(flags),
  })
  const config = { ...DEFAULTS, ...anonymousDefaults(given), ...logDefaults(given), ...given } as Config
  checkConfig(config, given)
  return frozen(config)
}

/**
 * The configuration of a hub inside an app, of options given in code; `given` is what was set. Nothing is open to anyone unless
 * they say so. Errors: MILLRACE_CONFIG_INVALID.
 */
export function configOfOptions(options: Readonly<Record<string, unknown>>): {
  readonly config: Config
  readonly given: GivenOptions
} {
  const given = collect(name => ({ value: options[name], source: `the option '${name}'` }))
  const config = { ...DEFAULTS, ...NOTHING_IS_OPEN, ...logDefaults(given), ...given } as Config
  try {
    checkConfig(config, given)
  } catch (error) {
    throw invalid(inOptionNames((error as Error).message))
  }
  return { config: frozen(config), given }
}

/** Whoever names the hub's address means it to answer there. */
function withPublicHost(given: GivenOptions): GivenOptions {
  const { publicUrl = '', allowedHost = [] } = given
  if (!URL.canParse(publicUrl)) return given
  return { ...given, allowedHost: [...allowedHost, new URL(publicUrl).hostname] }
}

// Memory is scarcer than disk.
function logDefaults({ log }: GivenOptions): GivenOptions {
  return log === 'memory:' ? { logMaxBytes: MEMORY_LOG_BYTES } : {}
}

function present(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function fromFile(path: string | undefined, cwd: string): GivenOptions {
  if (path === undefined) return {}
  const options = parseFile(path, readText(resolve(cwd, path), path))
  for (const name of Object.keys(options)) {
    if (!(OPTION_NAMES as readonly string[]).includes(name)) throw invalid(unknownKey(name, path))
  }
  return collect(name => ({ value: options[name], source: `${name} in ${path}` }))
}

function readText(path: string, given: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw invalid(`the configuration file ${given} cannot be read: ${(error as Error).message}`)
  }
}

function parseFile(path: string, text: string): Record<string, unknown> {
  let options: unknown
  try {
    // Editors on Windows like to begin a file with a byte order mark, which JSON.parse refuses.
    options = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch (error) {
    // The message quotes what it could not read, which may be a key.
    const detail = text.includes('jwtKey') ? '' : `: ${(error as Error).message}`
    throw invalid(`the configuration file ${path} is not JSON${detail}`)
  }
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) {
    return options as Record<string, unknown>
  }
  throw invalid(`the configuration file ${path} must hold a JSON object such as {"port": 9443}`)
}

function unknownKey(name: string, path: string): string {
  const meant = didYouMean(name, OPTION_NAMES)
  return `${path} has an unknown option '${name}'${meant === undefined ? '' : `: did you mean '${meant}'?`}`
}

function fromEnvironment(env: Environment): GivenOptions {
  return collect(name => {
    const source = environmentName(name)
    // `MILLRACE_PORT= millrace serve` unsets it, as shells and compose files do.
    return { value: fromText(OPTIONS[name], env[source] || undefined), source }
  })
}

function fromFlags(flags: Readonly<Record<string, unknown>>): GivenOptions {
  return collect(name => ({ value: fromFlag(OPTIONS[name], flags[name]), source: flagName(name) }))
}

// A flag that was repeated is a list of texts.
function fromFlag(option: OptionSchema, value: unknown): unknown {
  if (typeof value === 'string') return fromText(option, value)
  return Array.isArray(value) ? value.flatMap(item => splitList(String(item))) : value
}

// Text that does not read as the option's type stays text, for the type check to name.
function fromText(option: OptionSchema, text: string | undefined): unknown {
  if (text === undefined) return undefined
  if (isInteger(option)) return /^-?\d+$/.test(text.trim()) ? Number(text) : text
  if (option.type === 'boolean') return { true: true, 1: true, false: false, 0: false }[text.trim()] ?? text
  if (option.type === 'array') return splitList(text)
  return text
}

function splitList(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

function collect(lookUp: (name: OptionName) => { value: unknown; source: string }): GivenOptions {
  const given: Record<string, unknown> = {}
  for (const name of OPTION_NAMES) {
    const { value, source } = lookUp(name)
    if (value === undefined) continue
    if (!Value.Check(configSchema.properties[name], value)) throw invalid(typeFault(name, source, value))
    given[name] = value
  }
  return given
}

function typeFault(name: OptionName, source: string, value: unknown): string {
  const shown = OPTIONS[name].isSecret === true ? 'not text' : JSON.stringify(value)
  return `${source} is ${shown}, but it takes ${accepts(name)}`
}

// Open on loopback, closed elsewhere, behind a proxy, and once there are tokens, until someone says what anonymous clients may do.
function anonymousDefaults(given: GivenOptions): GivenOptions {
  return isForThisMachine({ ...DEFAULTS, ...given }) && !takesTokens(given) ? {} : NOTHING_IS_OPEN
}

const NOTHING_IS_OPEN: GivenOptions = { anonymousPublish: [], anonymousReceive: [], anonymousMetrics: false }

function frozen(config: Config): Config {
  for (const value of Object.values(config)) if (Array.isArray(value)) Object.freeze(value)
  return Object.freeze(config)
}

function invalid(detail: string): MillraceError {
  return new MillraceError('MILLRACE_CONFIG_INVALID', detail)
}
