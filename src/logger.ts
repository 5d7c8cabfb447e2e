// Structured logs: JSON lines for machines, readable ones on a terminal.

import pino, { type DestinationStream, type Logger } from 'pino'
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

/** The logger of a thread, whose lines the main thread writes: two threads that write would mix theirs up. */
export function createThreadLogger(level: string, thread: string, write: (line: string) => void): Logger {
  return pino({ level, base: { thread } }, { write })
}

/** Writes a line that a thread's logger has made. */
export function writeLine(logger: Logger, line: string): void {
  const { [pino.symbols.streamSym]: stream } = logger as unknown as Record<symbol, DestinationStream>
  stream!.write(line)
}
