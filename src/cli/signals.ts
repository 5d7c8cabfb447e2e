// What signals mean to a running hub: stop gently, stop now, read the certificates again.

import type { RunningServer } from '../server.ts'

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const

export function stopOnSignals(server: RunningServer): void {
  let isStopping = false
  const stop = (signal: keyof typeof EXIT_CODES): void => {
    // Whoever asks twice does not want to wait for the drain.
    if (isStopping) process.exit(EXIT_CODES[signal])
    isStopping = true
    void drain(server)
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  process.on('SIGHUP', () => void reload(server))
}

async function drain(server: RunningServer): Promise<void> {
  try {
    await server.close()
    process.exit(0)
  } catch (error) {
    server.logger.error({ err: error }, 'the drain failed')
    process.exit(1)
  }
}

// A certificate that cannot be used must not end a hub that runs well on the old one.
async function reload(server: RunningServer): Promise<void> {
  try {
    await server.reload()
  } catch (error) {
    server.logger.error({ err: error }, 'the certificates cannot be reloaded; the old ones stay')
  }
}
