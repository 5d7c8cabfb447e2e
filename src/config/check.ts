// The rules that involve more than one option, or more than an option's type.

import { isIPv4 } from 'node:net'
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
    openHostFault(config, given) ??
    listFault(config) ??
    retentionFault(config)
  if (fault !== undefined) throw new MillraceError('MILLRACE_CONFIG_INVALID', fault)
}

/** Whether only processes of the same machine can reach this address. */
export function isLoopback(host: string): boolean {
  return host.toLowerCase() === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'))
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

function openHostFault({ host }: Config, given: GivenOptions): string | undefined {
  if (isLoopback(host)) return undefined
  if (given.anonymousPublish !== undefined || given.anonymousReceive !== undefined) return undefined
  return (
    `--host ${host} can be reached from other machines, and this version has no authentication. ` +
    'Keep to 127.0.0.1 behind a proxy that authenticates, or say what anyone may do: ' +
    "--anonymous-receive '**' lets all clients receive everything, --anonymous-publish 'sensors/*' lets them publish there"
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

// Browsers send the origin in exactly this spelling; any other would never match.
function isOrigin(origin: string): boolean {
  return URL.canParse(origin) && new URL(origin).origin === origin
}
