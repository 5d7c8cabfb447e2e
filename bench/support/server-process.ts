// Starts a server in a process (and on a core) of its own, and ends it.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const canPin = availableParallelism() > 1 && spawnSync('taskset', ['-V']).status === 0

export type Command = [command: string, args: string[]]

/** The command that runs `args` with this Node on these cores (`0`, `0-1`); on any where they cannot be chosen. */
export function onCore(cores: string, args: string[]): Command {
  return pinned(cores, [process.execPath, args])
}

export function pinned(cores: string, [command, args]: Command): Command {
  if (!canPin) return [command, args]
  // `taskset` becomes the command, so the child's pid is the command's.
  return ['taskset', ['-c', cores, command, ...args]]
}

export const isPinned = canPin

export const ALL_CORES = `0-${availableParallelism() - 1}`

// As `npm start` and the `millrace` command have it.
const NODE_FLAGS = ['--max-semi-space-size=8']

export interface ServerProcess {
  readonly pid: number
  readonly port: number
  /** From its start until it accepted connections, milliseconds. */
  readonly startMs: number
  stop(): Promise<void>
}

export interface ServerPlace {
  /** Default: `0`. */
  readonly cores?: string | undefined
  /** For Node, beside those of the hub. Default: none. */
  readonly nodeFlags?: readonly string[] | undefined
  /** Beside this process's own; undefined takes one away. Command lines are for all to see. Default: none. */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Runs with Node's own settings instead of the hub's. Default: false. */
  readonly isContender?: boolean
}

const POLL_MS = 10

/** Starts `node main serve --port N --certs-dir DIR`; resolves when it accepts connections. */
export async function startServer(
  main: string,
  certsDir: string,
  flags: readonly string[] = [],
  { cores = '0', nodeFlags = [], isContender = false, environment = {} }: ServerPlace = {},
): Promise<ServerProcess> {
  const port = await freePort()
  const place = ['--port', String(port), '--certs-dir', certsDir]
  return startCommand(
    onCore(cores, [...(isContender ? [] : NODE_FLAGS), ...nodeFlags, main, 'serve', ...place, ...flags]),
    port,
    environment,
  )
}

/** Resolves when it accepts connections on this port. */
export async function startCommand(
  command: Command,
  port: number,
  environment: ServerPlace['environment'] = {},
): Promise<ServerProcess> {
  const startedAt = performance.now()
  const child = spawn(...command, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...environment },
  })
  endWithThisProcess(child)
  let complaint = ''
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => void (complaint = (complaint + text).slice(-4000)))
  try {
    await accepting(child, port)
  } catch (error) {
    await stop(child)
    throw new Error(`${command.flat().join(' ')} did not start: ${complaint.trim()}`, { cause: error })
  }
  return { pid: child.pid!, port, startMs: performance.now() - startedAt, stop: () => stop(child) }
}

export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 6_000)
  await exited
  clearTimeout(timer)
}

function endWithThisProcess(child: ChildProcess): void {
  const end = () => void child.kill('SIGKILL')
  process.once('exit', end)
  child.once('exit', () => process.off('exit', end))
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function accepting(child: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + 60_000
  while (child.exitCode === null && Date.now() < deadline) {
    if (await accepts(port)) return
    await sleep(POLL_MS)
  }
  throw new Error('it does not listen')
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
