// Starts a server in a process (and on a core) of its own, and ends it.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const canPin = availableParallelism() > 1 && spawnSync('taskset', ['-V']).status === 0

/** The command that runs `args` with this Node on one core; on any where cores cannot be chosen. */
export function onCore(core: number, args: string[]): [command: string, args: string[]] {
  if (!canPin) return [process.execPath, args]
  // `taskset` becomes the command, so the child's pid is the server's.
  return ['taskset', ['-c', String(core), process.execPath, ...args]]
}

export const isPinned = canPin

// As `npm start` and the `millrace` command have it; the baseline gets the same.
const NODE_FLAGS = ['--max-semi-space-size=2']

export interface ServerProcess {
  readonly pid: number
  readonly port: number
  stop(): Promise<void>
}

/** Starts `node main serve --port N --certs-dir DIR`; resolves when it accepts connections. */
export async function startServer(
  main: string,
  certsDir: string,
  flags: string[] = [],
): Promise<ServerProcess> {
  const port = await freePort()
  const command = onCore(0, [
    ...NODE_FLAGS,
    main,
    'serve',
    '--port',
    String(port),
    '--certs-dir',
    certsDir,
    ...flags,
  ])
  const child = spawn(...command, { stdio: ['ignore', 'ignore', 'pipe'] })
  endWithThisProcess(child)
  let complaint = ''
  child.stderr
    .setEncoding('utf8')
    .on('data', (text: string) => void (complaint = (complaint + text).slice(-4000)))
  try {
    await accepting(child, port)
  } catch (error) {
    await stop(child)
    throw new Error(`${main} did not start: ${complaint.trim()}`, { cause: error })
  }
  return { pid: child.pid!, port, stop: () => stop(child) }
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

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function accepting(child: ChildProcess, port: number): Promise<void> {
  const deadline = Date.now() + 15_000
  while (child.exitCode === null && Date.now() < deadline) {
    if (await accepts(port)) return
    await sleep(50)
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
