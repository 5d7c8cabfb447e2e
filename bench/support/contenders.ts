// The servers that take part in the fan-out, and how each is started.

import { join } from 'node:path'
import { HUB } from './hub.ts'
import { hasNchan, startNchan } from './nchan.ts'
import { startServer, type ServerProcess } from './server-process.ts'

type Start = (certsDir: string) => Promise<ServerProcess>

// All others keep nothing, so the hub's log is the one that costs no disk.
const starts: Readonly<Record<string, Start>> = {
  millrace: certsDir => startServer(HUB, certsDir, ['--log=memory:']),
  'node:http2': baseline('bare-http2'),
  nchan: startNchan,
  'better-sse': baseline('better-sse'),
  '@fastify/sse': baseline('fastify-sse'),
  'fastify-sse-v2': baseline('fastify-sse-v2'),
}

export const CONTENDERS = Object.keys(starts)

/** Those of the given that can run here: nchan needs Debian's packages. Throws if one is not known. */
export function available(names: readonly string[]): string[] {
  const unknown = names.filter(name => starts[name] === undefined)
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(', ')}: ${CONTENDERS.join(', ')}`)
  return names.filter(name => name !== 'nchan' || hasNchan())
}

export function start(name: string, certsDir: string): Promise<ServerProcess> {
  return starts[name]!(certsDir)
}

function baseline(file: string): Start {
  const main = join(import.meta.dirname, `../servers/${file}.ts`)
  return certsDir => startServer(main, certsDir, [], { isContender: true })
}
