// The settings of the commands that talk to a hub: flags, then environment, then defaults.

import { existsSync, readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import { MillraceError } from '../errors.ts'
import { environment, type Environment } from './environment.ts'

export interface ClientSettings {
  /** Without a slash at its end. */
  readonly url: string
  /** The certificates to trust; undefined leaves it to Node. */
  readonly ca: readonly string[] | undefined
  /** What the hub knows this client by. */
  readonly token: string | undefined
}

export const DEFAULT_URL = 'https://localhost:9443'
// Where a hub that was started in this directory keeps the CA that it made.
export const DEFAULT_CA_FILE = 'certs/ca.pem'

/** Errors: MILLRACE_CONFIG_INVALID. */
export function loadClientSettings(
  flags: {
    readonly url?: string | undefined
    readonly cacert?: string | undefined
    readonly tokenFile?: string | undefined
  },
  env: Environment = environment,
): ClientSettings {
  const url = flags.url ?? (env.MILLRACE_URL || DEFAULT_URL)
  const caFile = flags.cacert ?? (env.MILLRACE_CACERT || undefined)
  return {
    url: checkedUrl(url, flags.url === undefined ? 'MILLRACE_URL' : '--url'),
    ca: caFile === undefined ? defaultAuthorities() : [readPem(caFile, flags.cacert === undefined)],
    token: loadToken(flags.tokenFile, env),
  }
}

/** Of the file that the flag names, else as the environment has it. Errors: MILLRACE_CONFIG_INVALID. */
export function loadToken(flag: string | undefined, env: Environment = environment): string | undefined {
  const file = flag ?? (env.MILLRACE_TOKEN_FILE || undefined)
  return file === undefined ? env.MILLRACE_TOKEN || undefined : readToken(file)
}

function checkedUrl(url: string, source: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw invalid(`${source} is ${JSON.stringify(url)}, but it takes a URL such as ${DEFAULT_URL}`)
  }
  return (parsed.origin + parsed.pathname).replace(/\/+$/, '')
}

// A CA that merely lies here must not shut out a hub whose certificate everyone trusts.
function defaultAuthorities(): readonly string[] | undefined {
  if (!existsSync(DEFAULT_CA_FILE)) return undefined
  return [...getCACertificates('default'), readFileSync(DEFAULT_CA_FILE, 'utf8')]
}

function readToken(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw invalid(`the token's file ${file} cannot be read: ${(error as Error).message}`)
  }
}

function readPem(file: string, isFromEnvironment: boolean): string {
  const source = isFromEnvironment ? 'MILLRACE_CACERT' : '--cacert'
  try {
    const text = readFileSync(file, 'utf8')
    // OpenSSL ignores what is not PEM, and the connection would fail with a less telling error.
    if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  } catch (error) {
    throw invalid(`${source} is ${file}, which cannot be read: ${(error as Error).message}`)
  }
  throw invalid(`${source} is ${file}, which holds no PEM certificate`)
}

function invalid(detail: string): MillraceError {
  return new MillraceError('MILLRACE_CONFIG_INVALID', detail)
}
