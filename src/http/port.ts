// The port that the hub listens on: whether it is free, and what to say when it is not.

import { once } from 'node:events'
import { createServer, type AddressInfo, type ListenOptions } from 'node:net'
import { MillraceError } from '../errors.ts'

/** Clients come back all at once after a restart. */
export const LISTEN_BACKLOG = 4096

/**
 * Finds the port that several threads can listen on together: the one asked for, or any free one for 0. Undefined where
 * the platform shares no ports. Errors: MILLRACE_PORT_TAKEN, MILLRACE_CONFIG_INVALID.
 */
export async function sharedPort(port: number, host: string): Promise<number | undefined> {
  // First without sharing: a hub that shares its port does not share it with another hub.
  const free = await tryListen({ port, host, exclusive: true })
  try {
    return await tryListen({ port: free, host, reusePort: true })
  } catch (error) {
    if (NOT_SHARED.has((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

const NOT_SHARED: ReadonlySet<string> = new Set(['ENOTSUP', 'EINVAL', 'ENOPROTOOPT'])

async function tryListen(options: ListenOptions & { port: number; host: string }): Promise<number> {
  const server = createServer()
  try {
    await once(server.listen(options), 'listening')
  } catch (error) {
    throw listenError(error as NodeJS.ErrnoException, options.port, options.host)
  }
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return port
}

/** An error of `listen`, as whoever starts the hub understands it. */
export function listenError(error: NodeJS.ErrnoException, port: number, host: string): Error {
  if (error.code === 'EADDRINUSE') {
    const detail = `Another process listens on ${host}:${port}. Stop it, or choose another --port.`
    return new MillraceError('MILLRACE_PORT_TAKEN', detail, { cause: error })
  }
  if (error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND') {
    const detail = `${host}:${port} cannot be listened on (${error.code}). Choose another --host or --port.`
    return new MillraceError('MILLRACE_CONFIG_INVALID', detail, { cause: error })
  }
  return error
}
