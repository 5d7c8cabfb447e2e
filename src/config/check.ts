// The rules that involve more than one option, or more than an option's type.

import { isIP, isIPv4 } from 'node:net'
import { MillraceError } from '../errors.ts'
import { patternFault } from '../event.ts'
import { flagName } from './option-names.ts'
import { parseRetentionRule } from './retention-rules.ts'
import type { Config, GivenOptions } from './schema.ts'

/** `given` is what was set, as opposed to defaulted. Errors: MILLRACE_CONFIG_INVALID. */
export function checkConfig(config: Config, given: GivenOptions): void {
  const fault =
    certificateFault(config) ??
    logFault(config) ??
    sizeFault(config) ??
    trustProxyFault(config) ??
    openHostFault(config, given) ??
    tokenFault(config) ??
    publicUrlFault(config) ??
    listFault(config) ??
    retentionFault(config)
  if (fault !== undefined) throw new MillraceError('MILLRACE_CONFIG_INVALID', fault)
}

/** Whether only processes of the same machine can reach this address. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
}

/** Whether it is reached from the same machine only. A proxy that it was told of brings others, and so does a name that others use. */
export function isForThisMachine({
  host,
  allowedHost,
  trustProxy,
}: Pick<Config, 'host' | 'allowedHost' | 'trustProxy'>): boolean {
  return isLoopback(host) && allowedHost.length === 0 && trustProxy.length === 0
}

/** Whether `/inspector` is there. */
export function servesInspector(config: Config): boolean {
  return config.inspector === 'on' || (config.inspector === 'auto' && isForThisMachine(config))
}

function certificateFault({ cert, key }: Config): string | undefined {
  if (cert !== undefined && key === undefined) return '--cert is given without --key: they go together'
  if (key !== undefined && cert === undefined) return '--key is given without --cert: they go together'
  return undefined
}

function logFault({ log }: Config): string | undefined {
  if (log === 'memory:' || /^sqlite:./.test(log)) return undefined
  return `--log is ${JSON.stringify(log)}, but a log is sqlite:DIR, such as sqlite:data, or memory:`
}

function sizeFault(config: Config): string | undefined {
  const { maxBodyBytes } = config
  for (const name of ['logMaxTopicBytes', 'logMaxBytes'] as const) {
    if (maxBodyBytes > config[name]) {
      return `--max-body-bytes (${maxBodyBytes}) is above ${flagName(name)} (${config[name]}): the log must hold the largest event`
    }
  }
  return undefined
}

function openHostFault(config: Config, given: GivenOptions): string | undefined {
  if (isForThisMachine(config)) return undefined
  if (takesTokens(given)) return undefined
  if (given.anonymousPublish !== undefined || given.anonymousReceive !== undefined) return undefined
  return (
    `${whatOpens(config)} can be reached from other machines, and nothing says who may use the hub. ` +
    'Give it a key for tokens (MILLRACE_JWT_KEY, --jwt-key-file, --jwks-url) or --api-keys-file, or say what anyone may do: ' +
    "--anonymous-receive '**' lets all clients receive everything, --anonymous-publish 'sensors/*' lets them publish there"
  )
}

function whatOpens({ host, allowedHost, trustProxy }: Config): string {
  if (!isLoopback(host)) return `--host ${host}`
  return allowedHost.length > 0
    ? `--allowed-host ${allowedHost.join()}`
    : `a hub behind the proxy of --trust-proxy ${trustProxy.join()}`
}

/** Whether there is a key of any kind. */
export function takesTokens(given: GivenOptions): boolean {
  return TOKEN_OPTIONS.some(name => given[name] !== undefined)
}

const TOKEN_OPTIONS = ['jwtKey', 'jwtKeyFile', 'jwksUrl', 'apiKeysFile'] as const

function tokenFault({ jwtKey, jwtKeyFile, jwksUrl, jwtAudience }: Config): string | undefined {
  const sources = [
    jwtKey && 'jwtKey (MILLRACE_JWT_KEY)',
    jwtKeyFile && '--jwt-key-file',
    jwksUrl && '--jwks-url',
  ]
  const given = sources.filter(Boolean)
  if (given.length > 1) return `${given.join(' and ')} are given: the key of tokens comes from one of them`
  if (jwksUrl === undefined) return undefined
  const url = URL.canParse(jwksUrl) ? new URL(jwksUrl) : undefined
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))
  if (url === undefined || !isSafe)
    return `--jwks-url is ${JSON.stringify(jwksUrl)}, but it takes an https: URL`
  // What asks would refuse it, and say so with the password.
  if (url.username !== '' || url.password !== '') return '--jwks-url has a user name or a password in it'
  if (jwtAudience.length > 0) return undefined
  return '--jwks-url is given without --jwt-audience: tokens that its issuer made for others would be taken'
}

function publicUrlFault({ publicUrl }: Config): string | undefined {
  if (publicUrl === undefined || (isOrigin(publicUrl) && /^https?:/.test(publicUrl))) return undefined
  return `--public-url is ${JSON.stringify(publicUrl)}, but it takes a scheme, a host and perhaps a port: https://hub.example.org`
}

function trustProxyFault({ trustProxy }: Config): string | undefined {
  const odd = trustProxy.find(proxy => !isNetwork(proxy))
  if (odd === undefined) return undefined
  return `--trust-proxy has ${JSON.stringify(odd)}, but it takes addresses and networks: 127.0.0.1, 10.0.0.0/8`
}

function isNetwork(text: string): boolean {
  const [address = '', prefix = '0', ...rest] = text.split('/')
  const family = isIP(address)
  return (
    family !== 0 &&
    !address.includes('%') &&
    rest.length === 0 &&
    /^\d{1,3}$/.test(prefix) &&
    Number(prefix) <= (family === 4 ? 32 : 128)
  )
}

function listFault(config: Config): string | undefined {
  for (const name of ['anonymousPublish', 'anonymousReceive', 'compressionExclude'] as const) {
    for (const pattern of config[name]) {
      const fault = patternFault(pattern, config.maxTopicNameBytes)
      if (fault !== undefined)
        return `${flagName(name)} has the pattern ${JSON.stringify(pattern)}, which ${fault}`
    }
  }
  const odd = config.corsOrigin.find(origin => !isOrigin(origin))
  if (odd === undefined) return undefined
  return `--cors-origin has ${JSON.stringify(odd)}, but an origin is a scheme, a host and perhaps a port: https://app.example.org`
}

function retentionFault({ retention, maxTopicNameBytes, maxBodyBytes }: Config): string | undefined {
  for (const text of retention) {
    const rule = parseRetentionRule(text, maxTopicNameBytes)
    if (typeof rule === 'string') return `--retention ${JSON.stringify(text)} ${rule}`
    if (rule.maxBytes !== undefined && rule.maxBytes < maxBodyBytes)
      return `--retention ${JSON.stringify(text)} keeps fewer bytes than --max-body-bytes (${maxBodyBytes}): the log must hold the largest event`
  }
  return undefined
}

// Browsers send the origin in exactly this spelling; any other would never match, and neither would a pattern.
function isOrigin(origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).origin === origin && !origin.includes('*')
}
