// Structured logs: JSON lines for machines, readable ones on a terminal.

import pino, { type Logger } from 'pino'
import pretty from 'pino-pretty'
import type { Config } from './config/schema.ts'

export function createLogger({ logLevel, logFormat }: Pick<Config, 'logLevel' | 'logFormat'>): Logger {
  const isPretty = logFormat === 'pretty' || (logFormat === 'auto' && process.stdout.isTTY)
  const options = { level: logLevel, base: null }
  if (!isPretty) return pino(options)
  return pino(
    options,
    pretty({ colorize: process.stdout.isTTY, translateTime: 'SYS:HH:MM:ss.l', singleLine: true }),
  )
}
